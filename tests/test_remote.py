"""Recordings elsewhere: on a real S3 server, a real web server and a real SFTP server."""

import multiprocessing
import os
import subprocess
import sys
import tempfile

import numpy as np
import pytest
from audio_files import cut, edit, noise, write
from bundles import MODEL_RATE_HZ, calls
from outcomes import refusal, rows_of
from servers import Web, sftp_server

from benchmarks.s3server import s3_server
from counter.audio.stream import MonoStream, probe
from counter.cli.main import run
from counter.errors import AudioError
from counter.storage.inputs import find_recordings

fsspec = pytest.importorskip("fsspec", reason="needs callcount[cloud]")
pytest.importorskip("aiohttp", reason="needs callcount[cloud]")
KINDS = {
    "long.wav": {"subtype": "PCM_16"},
    "float.wav": {"subtype": "FLOAT"},
    "a.flac": {"format": "FLAC"},
    "b.mp3": {"format": "MP3"},
    "c.ogg": {"format": "OGG"},
}
TABLES = ["r.csv", "r/events.csv", "r/recordings.csv", "r/summary_site.csv"]


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Recordings of each kind, whole, damaged and unfinished, some of several blocks of 1 MiB."""
    folder = tmp_path_factory.mktemp("sounds")
    for name, kind in KINDS.items():
        write(folder / name, noise(2 * 48000 * 14, 1).reshape(-1, 2), 48000, **kind)
    write(folder / "cut.mp3", noise(48000), 48000, format="MP3")
    cut(folder / "cut.mp3", 0.6)
    write(folder / "cut.ogg", noise(480_000), 48000, format="OGG")
    cut(folder / "cut.ogg", 0.6)
    write(folder / "unfinished.wav", noise(700_000), 48000, subtype="PCM_16")
    edit(folder / "unfinished.wav", (40, "<I", 0))
    return folder


@pytest.fixture(scope="module")
def season(tmp_path_factory):
    """A season with calls, folders, odd names, and what is no recording or cannot be read."""
    folder = tmp_path_factory.mktemp("season")
    for number, name in enumerate(
        (
            "b two.wav",
            "site/100% #1+x&y=z.flac",
            "site/été?.wav",
            "site/20240601_050000.wav",
            "a.wav",
        )
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        write(folder / name, calls(20.0, (2.0, 5.0 + number, 15.0)), MODEL_RATE_HZ)
    (folder / "site" / "broken.wav").write_bytes(b"no sound")
    (folder / "site" / "empty.wav").write_bytes(b"")
    (folder / "notes.txt").write_text("no sound")
    (folder / ".hidden").mkdir()
    for name in (".x.wav", ".hidden/y.wav"):
        (folder / name).write_bytes(b"hidden")
    return folder


@pytest.fixture(scope="module")
def s3():
    """An S3 server."""
    pytest.importorskip("s3fs", reason="needs callcount[cloud]")
    pytest.importorskip("moto", reason="needs moto[server], of callcount[test]")
    with s3_server() as server:
        yield server


@pytest.fixture
def bucket(s3, monkeypatch):
    """What puts a folder into a bucket of its name; the URL."""
    import s3fs

    for name, value in s3.settings.items():
        monkeypatch.setenv(name, value)

    s3fs.S3FileSystem.clear_instance_cache()

    def put(folder):
        system = s3fs.S3FileSystem()
        name = folder.name.replace("_", "-").strip("-").lower()
        if not system.exists(name):
            system.mkdir(name)
            for file in sorted(folder.rglob("*")):
                if file.is_file():
                    system.put_file(str(file), f"{name}/{file.relative_to(folder)}")
        return f"s3://{name}"

    return put


@pytest.fixture
def web(tmp_path):
    with Web(tmp_path).serving() as server:
        yield server


@pytest.fixture
def quick(monkeypatch):
    """No waiting before another try."""
    monkeypatch.setattr("counter.storage.filesystems.WAITS_S", (0.0, 0.01, 0.02))


def heard(path, rate_hz=16000):
    with MonoStream(path, rate_hz) as stream:
        blocks = list(stream)
    told = (stream.n_read_samples, stream.truncated, stream.message, stream.info.n_samples)
    return np.concatenate(blocks).tobytes(), told


def listed(paths, **options):
    found = find_recordings(paths, **options)
    return [(one.name, one.size_bytes) for one in found]


def tables(folder, *arguments):
    """Scan into a new folder; the exit code and the bytes of the tables."""
    output = folder / "r.csv"
    code = run(["scan", *map(str, arguments), "-o", str(output), "--no-plots", "--jobs", "2"])
    return code, {name: (folder / name).read_bytes() for name in TABLES}


# --- what is found


def test_a_bucket_lists_as_the_folder_does(season, bucket):
    url = bucket(season)
    assert listed([url]) == listed([f"{url}/"]) == listed([season])
    assert listed([f"{url}/site"]) == listed([season / "site"])
    assert listed([f"{url}/site", f"{url}/a.wav"]) == listed([season / "site", season / "a.wav"])
    assert listed([f"{url}/a.wav"]) == [("a.wav", (season / "a.wav").stat().st_size)]
    assert listed([f"{url}/notes.txt"]) == [("notes.txt", 8)]
    assert all(
        one.path.startswith(url) and one.modified_s > 1.7e9 for one in find_recordings([url])
    )


def test_keys_that_no_file_could_have_are_not_lost(bucket, tmp_path):
    import s3fs

    url = bucket(tmp_path)
    system, name = s3fs.S3FileSystem(), url.removeprefix("s3://")
    for key in ("x//a.wav", "x/../b.wav", "x/./c.wav", "xy/d.wav"):
        system.call_s3("put_object", Bucket=name, Key=key, Body=b"1234567")
    system.call_s3("put_object", Bucket=name, Key="x/", Body=b"")
    found = find_recordings([f"{url}/x"])
    assert [one.name for one in found] == ["%2E/c.wav", "%2E%2E/b.wav", "%2F/a.wav"]
    for one in found:
        with pytest.raises(AudioError, match="not sound"):
            probe(one.path)


def test_index_pages_list_as_the_folder_does(season, web):
    web.folder = season
    local = [name for name, _ in listed([season])]
    assert [name for name, _ in listed([f"{web.url}/"])] == local
    (one,) = find_recordings([f"{web.url}/a.wav"])
    assert (one.name, one.size_bytes) == ("a.wav", (season / "a.wav").stat().st_size)
    assert one.modified_s == 1717218000


def test_links_of_a_page_that_lead_elsewhere_are_not_followed(web, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "index.wav").write_bytes(b"x")
    links = ["../out.wav", "/out.wav", "http://else.where/out.wav", "a/../../out.wav", "in.wav"]
    page = "".join(f'<a href="{link}">x</a>' for link in links)
    web.folder = tmp_path / "no"

    def answer(handler):
        handler._send(200, page.encode(), {"Content-Type": "text/html"}, with_body=True)
        return "answered"

    web.refuse = answer
    assert [name for name, _ in listed([f"{web.url}/in/"])] == ["in.wav"]


def test_a_folder_below_that_cannot_be_listed_is_a_row(season, web, quick):
    web.folder = season
    web.refuse = lambda handler: 403 if handler.path == "/site/" else None
    found = find_recordings([f"{web.url}/"])
    assert [one.name for one in found] == ["a.wav", "b two.wav", "site"]
    with pytest.raises(AudioError, match="a folder that cannot be listed"):
        probe(found[-1].path)


def test_the_output_folder_is_not_searched_unless_it_is_given(season, bucket):
    url = bucket(season)
    names = [name for name, _ in listed([url], exclude=f"{url}/site")]
    assert names == ["a.wav", "b two.wav"]
    assert listed([f"{url}/site"], exclude=f"{url}/site") == listed([f"{url}/site"])


# --- what is heard


@pytest.fixture(params=["s3", "web", "web without ranges", "sftp"])
def there(request, sounds, tmp_path, monkeypatch):
    """Where the sounds are on each kind of server."""
    if request.param == "s3":
        yield request.getfixturevalue("bucket")(sounds)
    elif request.param == "sftp":
        pytest.importorskip("paramiko", reason="needs callcount[cloud]")
        monkeypatch.setenv("HOME", str(tmp_path))
        with sftp_server(sounds, tmp_path) as url:
            yield url
    else:
        web = request.getfixturevalue("web")
        web.folder, web.ranges = sounds, request.param == "web"
        yield web.url


def test_every_kind_of_file_sounds_as_it_does_here(there, sounds):
    for file in sorted(sounds.iterdir()):
        assert heard(f"{there}/{file.name}") == heard(file), file.name
    assert heard(f"{there}/long.wav", 48000)[1][0] == 48000 * 14


def test_what_was_fetched_whole_is_gone_afterwards(sounds, web, tmp_path, monkeypatch):
    web.folder, web.ranges = sounds, False
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    assert heard(f"{web.url}/a.flac") == heard(sounds / "a.flac")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_header_costs_one_request(sounds, web):
    web.folder = sounds
    probe(f"{web.url}/b.mp3")
    (request,) = web.requests
    assert request[0] == "GET"


def test_blocks_are_fetched_once_and_ahead(sounds, web):
    web.folder = sounds
    heard(f"{web.url}/float.wav")
    size = (sounds / "float.wav").stat().st_size
    ranges = [told[2] for told in web.requests]
    assert len(set(ranges)) == 1 + -(-(size - 2**22) // 2**20)
    assert len(ranges) <= len(set(ranges)) + 1  # the last one, which opening asks for as well
    web.requests.clear()
    with MonoStream(f"{web.url}/float.wav", 48000, block_s=1.0) as stream:
        blocks = iter(stream)
        for _ in range(3):
            next(blocks)
    assert 1 <= len({told[2] for told in web.requests}) <= 3


def _listen(url, conn):
    conn.send(heard(url)[1])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_child_process_listens_whatever_its_parent_did(sounds, web, method):
    web.folder = sounds
    told = heard(f"{web.url}/a.flac")[1]
    context = multiprocessing.get_context(method)
    ours, theirs = context.Pipe()
    child = context.Process(target=_listen, args=(f"{web.url}/a.flac", theirs))
    child.start()
    assert ours.poll(60)
    assert ours.recv() == told
    child.join(60)


PEAK = """
import sys
from pathlib import Path
from counter.audio.stream import MonoStream
with MonoStream(sys.argv[1], 16000) as stream:
    for block in stream:
        pass
(peak,) = [line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line]
print(peak.split()[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_memory_does_not_grow_with_the_file(web, tmp_path):
    sizes_mb = {"short.wav": 8, "long.wav": 240}
    for name, mb in sizes_mb.items():
        write(tmp_path / name, np.zeros(mb * 500_000, np.int16), 48000, subtype="PCM_16")
    peaks = []
    for name in sizes_mb:
        command = [sys.executable, "-c", PEAK, f"{web.url}/{name}"]
        told = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert told.returncode == 0, told.stderr
        peaks.append(int(told.stdout))
    assert peaks[1] - peaks[0] < 20_000


# --- what goes wrong


def test_a_server_that_stumbles_is_asked_again(sounds, web, quick):
    web.folder = sounds
    seen = set()

    def stumble(handler):
        """Each request fails once, in either way."""
        wanted = (handler.path, handler.headers.get("Range"))
        if wanted in seen:
            return None
        seen.add(wanted)
        return 503 if len(seen) % 2 else "hang up"

    web.refuse = stumble
    assert heard(f"{web.url}/long.wav") == heard(sounds / "long.wav")


@pytest.mark.parametrize("name", sorted(KINDS))
@pytest.mark.parametrize("how", [500, "hang up"])
def test_a_server_that_dies_in_the_middle_is_no_end_of_the_file(
    sounds, web, quick, name, how, monkeypatch
):
    web.folder = sounds
    monkeypatch.setattr("counter.storage.reader.BLOCK_BYTES", 20_000)
    web.refuse = lambda handler: how if "=0-" not in handler.headers.get("Range", "") else None
    with pytest.raises(AudioError, match="^cannot be read: ") as told:
        heard(f"{web.url}/{name}")
    assert "\n" not in str(told.value)


def test_what_is_not_there_or_refused_says_so(sounds, web, quick):
    web.folder = sounds
    with pytest.raises(AudioError, match="^cannot be opened: it does not exist$"):
        probe(f"{web.url}/nothing.wav")
    web.refuse = lambda handler: 403
    with pytest.raises(AudioError, match="^cannot be opened: access was refused"):
        probe(f"{web.url}/a.flac")
    assert len(web.requests) == 2
    with pytest.raises(AudioError, match="Connect"):
        probe("http://127.0.0.1:9/a.flac")


def test_a_file_that_shrinks_meanwhile_says_so(web, tmp_path, quick):
    write(tmp_path / "a.wav", noise(3_000_000), 48000, subtype="PCM_16")
    with MonoStream(f"{web.url}/a.wav", 48000, block_s=1.0) as stream:
        cut(tmp_path / "a.wav", 0.5)
        with pytest.raises(AudioError, match="changed"):
            list(stream)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("s3://no-such-bucket-here/x/", "cannot be reached: it does not exist"),
        ("s3://no-such-bucket-here", "cannot be reached: it does not exist"),
        ("s3://{bucket}/nothing", "cannot be reached: it does not exist"),
        ("s3://{bucket}/nothing/", "cannot be reached: it does not exist"),
        ("http://127.0.0.1:9/a.wav", "cannot be reached: "),
        ("nothing://a/b", "cannot be used: "),
    ],
)
def test_a_wrong_url_is_one_line_and_exit_2(
    path, said, bucket, tmp_path, monkeypatch, capsys, tone_bundle, quick
):
    import s3fs

    url = f"s3://only-{os.getpid()}"
    s3fs.S3FileSystem().mkdirs(url, exist_ok=True)
    monkeypatch.chdir(tmp_path)
    told = path.format(bucket=url.removeprefix("s3://"))
    assert run(["scan", told, "--model", str(tone_bundle.path)]) == 2
    assert said in refusal(capsys)
    assert not (tmp_path / "results.csv").exists()


def test_without_credentials_it_says_where_to_give_them(bucket, tmp_path, monkeypatch, capsys):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    assert run(["scan", "s3://season/x"]) == 2
    assert "credentials" in refusal(capsys)


def test_a_missing_package_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    for command in ("scan", "info", "mine"):
        assert run([command, "s3://season/x.wav"]) == 2
        assert "pip install 'callcount[cloud]'" in refusal(capsys)


def test_passwords_are_shown_nowhere(sounds, tmp_path, monkeypatch, capsys, tone_bundle):
    pytest.importorskip("paramiko", reason="needs callcount[cloud]")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with sftp_server(sounds, tmp_path) as url:
        monkeypatch.setattr(sys, "argv", ["callcount", "scan", url])
        model = ["--model", str(tone_bundle.path)]
        assert run(["scan", url, *model, "-o", "r.csv", "--format", "raven", "--no-plots"]) == 0
        assert run(["info", f"{url}/a.flac"]) == 0
        assert run(["scan", f"{url}/nothing.wav", *model]) == 2
        (tmp_path / ".ssh" / "known_hosts").write_text("")
        assert run(["scan", url, *model]) == 2
    told = capsys.readouterr()
    assert "known_hosts" in told.err
    assert "secret" not in told.out + told.err
    written = [tmp_path / "r.csv", *(tmp_path / "r").iterdir()]
    assert {"events.raven.txt", "manifest.json"} <= {file.name for file in written}
    for file in written:
        assert b"secret" not in file.read_bytes(), file


# --- commands


def test_tables_of_a_bucket_and_of_a_web_server_are_those_of_the_folder(
    season, bucket, web, tmp_path, tone_bundle, monkeypatch
):
    web.folder = season
    url = bucket(season)
    done = {}
    for name, place in {"here": season, "s3": url, "web": f"{web.url}/"}.items():
        (tmp_path / name).mkdir()
        done[name] = tables(tmp_path / name, place, "--model", tone_bundle.path)
    assert done["here"][0] == 1
    assert done["s3"] == done["web"] == done["here"]
    failed = {r["recording"] for r in rows_of(tmp_path / "s3" / "r.csv") if r["status"] == "failed"}
    assert failed == {"site/broken.wav", "site/empty.wav"}


def test_a_server_that_dies_costs_the_recordings_it_did_not_give(web, tmp_path, tone_bundle):
    for name in ("a.wav", "b.wav", "c.wav"):
        write(tmp_path / name, calls(20.0, (3.0,)), MODEL_RATE_HZ)
    web.refuse = lambda handler: (
        500 if handler.path == "/b.wav" and handler.headers["Range"] != "bytes=0-0" else None
    )
    urls = [f"{web.url}/{name}.wav" for name in "abc"]
    code, _ = tables(tmp_path, *urls, "--model", tone_bundle.path)
    rows = rows_of(tmp_path / "r.csv")
    assert code == 1
    assert [row["status"] for row in rows] == ["ok", "failed", "ok"]
    assert rows[1]["calls"] == ""
    assert "status 500" in rows[1]["message"]


def test_info_says_what_a_remote_recording_is(season, bucket, capsys):
    assert run(["info", f"{bucket(season)}/site/20240601_050000.wav"]) == 0
    told = capsys.readouterr().out
    assert "s3://" in told
    assert "2024-06-01T05:00:00" in told


# --- results elsewhere


@pytest.fixture
def staged(tmp_path, monkeypatch):
    """The cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(params=["s3", "sftp"])
def elsewhere(request, tmp_path, monkeypatch):
    """A place that takes files: its URL, and the contents of all that is there."""
    if request.param == "s3":
        import s3fs

        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "other.txt").write_text("other")
        url = request.getfixturevalue("bucket")(tmp_path / "out")
        top = url.removeprefix("s3://")
        system = s3fs.S3FileSystem(use_listings_cache=False)
        yield (
            f"{url}/{tmp_path.name}",
            lambda: {
                name.removeprefix(f"{top}/{tmp_path.name}/"): system.cat_file(name)
                for name in system.find(f"{top}/{tmp_path.name}")
            },
            lambda name, data: system.pipe_file(f"{top}/{tmp_path.name}/{name}", data),
        )
        return
    folder = tmp_path / "served"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))

    def put(name, data):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)

    with sftp_server(folder, tmp_path) as url:
        files = lambda: (one for one in folder.rglob("*") if one.is_file())  # noqa: E731
        yield (
            url,
            lambda: {str(one.relative_to(folder)): one.read_bytes() for one in files()},
            put,
        )


def test_results_go_where_a_url_leads(season, elsewhere, staged, tmp_path, tone_bundle, capsys):
    url, there, put = elsewhere
    command = ["scan", str(season), "--model", str(tone_bundle.path), "-o", f"{url}/r.csv"]
    assert run([*command, "--clips", "1", "--format", "audacity"]) == 1
    found = there()
    code, local = tables(tmp_path, season, "--model", tone_bundle.path)
    assert {name: found.get(name) for name in local} == local
    assert {"r/clips/clips.csv", "r/plots/overview.png", "r/manifest.json"} <= set(found)
    assert [name for name in found if "journal" in name or "/." in name] == []

    # Again: nothing is left to do; then without clips, which go; what is another's stays.
    put("r/notes.txt", b"mine")
    assert run([*command, "--clips", "1", "--format", "audacity"]) == 1
    assert "Nothing to do" in capsys.readouterr().err
    assert there() == {**found, "r/notes.txt": b"mine"}
    assert run([*command, "--no-plots"]) == 1
    left = set(there())
    assert left >= {"r.csv", "r/notes.txt", "r/events.csv"}
    assert [name for name in left if "clips" in name or "plots" in name or "audacity" in name] == []
    assert run(["status", f"{url}/r.csv"]) == 1
    assert "finished" in capsys.readouterr().out


def test_what_somebody_else_put_there_is_never_replaced(elsewhere, staged, tone_bundle, capsys):
    url, there, put = elsewhere
    put("r.csv", b"mine")
    put("s/events.csv", b"mine")
    before = there()
    for name in ("r.csv", "s.csv"):
        assert run(["scan", "x.wav", "--model", str(tone_bundle.path), "-o", f"{url}/{name}"]) == 2
        assert "was not put there by callcount" in refusal(capsys)
    assert there() == before


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("https://host/r.csv", "a web server takes no files"),
        ("s3://bucket/r", "does not end in .csv"),
        ("s3://no-such-bucket-here/r.csv", "cannot write s3://no-such-bucket-here/r.csv"),
    ],
)
def test_a_url_that_cannot_be_written_is_found_before_the_work(
    output, said, bucket, season, staged, tmp_path, capsys
):
    assert run(["scan", str(season), "-o", output]) == 2
    assert said in refusal(capsys)
    assert not staged.exists()


def test_clips_that_were_put_beside_the_recordings_are_not_scanned(
    bucket, staged, tmp_path, tone_bundle
):
    write(tmp_path / "a.wav", calls(20.0, (3.0,)), MODEL_RATE_HZ)
    url = bucket(tmp_path)
    command = ["scan", url, "--model", str(tone_bundle.path), "-o", f"{url}/r.csv", "--no-plots"]
    for _ in range(2):
        assert run([*command, "--clips", "1", "--fresh"]) == 0
    (made,) = staged.glob("callcount/*/r.csv")
    assert [row["recording"] for row in rows_of(made)] == ["a.wav"]
