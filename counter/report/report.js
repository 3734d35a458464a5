const words = new Intl.Collator(undefined, { numeric: true });
const value = ({ dataset, textContent }) => (dataset.key === undefined ? textContent : Number(dataset.key));
const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : words.compare(a, b));
// tables of a part of the page sort and search
const wire = (part) => {
  for (const button of part.querySelectorAll("th button")) button.onclick = () => {
    const head = button.closest("th"), body = head.closest("table").tBodies[0];
    const way = head.ariaSort === "descending" || (!head.ariaSort && !head.matches(".n")) ? 1 : -1;
    const sorted = [...body.rows].sort((a, b) => way * compare(value(a.cells[head.cellIndex]), value(b.cells[head.cellIndex])));
    for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
    head.ariaSort = way > 0 ? "ascending" : "descending";
    body.append(...sorted);
  };
  for (const box of part.querySelectorAll("[data-table]")) box.oninput = () => {
    const rows = [...document.getElementById(box.dataset.table).tBodies[0].rows];
    for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(box.value.toLowerCase());
    box.closest(".bar").querySelector("output").value = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
  };
};
wire(document);
for (const sound of document.querySelectorAll("audio")) {
  sound.onplay = () => document.querySelectorAll("audio").forEach((other) => other === sound || other.pause());
  sound.onpointerenter = sound.onfocus = () => (sound.preload = "metadata"); // a phone holds 40 that are ready
  sound.ontimeupdate = () => sound.parentNode.style.setProperty("--at", sound.currentTime / sound.duration || 0);
}
onbeforeprint = () => document.querySelectorAll("details").forEach((one) => (one.open = true));
