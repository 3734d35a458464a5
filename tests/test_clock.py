"""When and where a recording was made: by its name, its header, and what the user says."""

import shutil
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
import soundfile as sf
from bundles import MODEL_RATE_HZ, calls
from hypothesis import given
from hypothesis import strategies as st
from outcomes import refusal, rows_of
from recorder_files import AUDIOMOTH, GUANO, bext, chunk, info, write_wav

from counter.audio.stream import MonoStream
from counter.cli.main import run
from counter.errors import ConfigError
from counter.metadata.clock import Clock, NamePattern, parse_zone
from counter.records import Tags
from counter.timestamps import later

UTC = timezone.utc


def hours(n, minutes=0):
    return timezone(timedelta(hours=n, minutes=minutes))


def by_name(name, **options):
    return Clock(**options).origin(name, Tags())


def by_file(path, name="recording.wav", **options):
    with MonoStream(path, 8000) as stream:
        tags = stream.tags()
        n_samples = sum(len(block) for block in stream)
    assert n_samples, "reading the tags must not disturb the sound"
    return Clock(**options).origin(name, tags)


class TestNames:
    @pytest.mark.parametrize(
        ("name", "start", "site", "device"),
        [
            # AudioMoth: plain, triggered, with its number, with a folder a day, hexadecimal
            ("20210601_050000.WAV", datetime(2021, 6, 1, 5), "", ""),
            ("20230503_191909T.WAV", datetime(2023, 5, 3, 19, 19, 9), "", ""),
            (
                "24F31901603710B6_20210601_050000.WAV",
                datetime(2021, 6, 1, 5),
                "",
                "24F31901603710B6",
            ),
            ("card 3/20210601/050000.WAV", datetime(2021, 6, 1, 5), "", ""),
            ("5B07C752.WAV", datetime(2018, 5, 25, 8, 20, 34, tzinfo=UTC), "", ""),
            # Song Meter: site, serial number, channels and GPS of the SM3, milliseconds
            ("THOMPSON_20170625_102105.wav", datetime(2017, 6, 25, 10, 21, 5), "THOMPSON", ""),
            ("S4A07271_20210510_120000.wav", datetime(2021, 5, 10, 12), "", "S4A07271"),
            ("SM301297_0+1_20170912_220000.wav", datetime(2017, 9, 12, 22), "", "SM301297"),
            (
                "OLONG-CH1_0+1_20171121$143444.wav",
                datetime(2017, 11, 21, 14, 34, 44),
                "OLONG-CH1",
                "",
            ),
            ("SITE_1_20190102_044802_010.wav", datetime(2019, 1, 2, 4, 48, 2), "SITE_1", ""),
            # Swift, in UTC
            ("SSW_001_20170225_010000Z.flac", datetime(2017, 2, 25, 1, tzinfo=UTC), "SSW_001", ""),
            ("Queens_20230502_010000_Z.WAV", datetime(2023, 5, 2, 1, tzinfo=UTC), "Queens", ""),
            # BAR: old and new, a blank for a zero, a unit that does not know its number
            (
                "20181101_000006_REC [-27.3866 152.8761].flac",
                datetime(2018, 11, 1, 0, 0, 6),
                "",
                "",
            ),
            (
                "201906 7T095935+1000_REC [19.2144 152.8811].flac",
                datetime(2019, 6, 7, 9, 59, 35, tzinfo=hours(10)),
                "",
                "",
            ),
            (
                "8537_20210614T120000-0300_every1d6x4hrs [+44.72053-062.80072].wav",
                datetime(2021, 6, 14, 12, tzinfo=hours(-3)),
                "",
                "8537",
            ),
            (
                "00008570_Dartmouth_20220331T094900-0330_Rec.flac",
                datetime(2022, 3, 31, 9, 49, tzinfo=hours(-3, -30)),
                "Dartmouth",
                "00008570",
            ),
            (
                "-0000001_20220420T124030+1000_Rec.flac",
                datetime(2022, 4, 20, 12, 40, 30, tzinfo=hours(10)),
                "",
                "",
            ),
            # ISO 8601, as a file name can hold it
            ("2021-06-01T05:00:00+02:00.wav", datetime(2021, 6, 1, 5, tzinfo=hours(2)), "", ""),
            ("pond_2021-06-01_05-00-00.wav", datetime(2021, 6, 1, 5), "pond", ""),
            ("2020-04-06-04-00-00-UTC.wav", datetime(2020, 4, 6, 4, tzinfo=UTC), "", ""),
            ("20210601T050000.25+02.wav", datetime(2021, 6, 1, 5, 0, 0, 250000, hours(2)), "", ""),
            ("20210601050000.wav", datetime(2021, 6, 1, 5), "", ""),
        ],
    )
    def test_forms_of_the_makers(self, name, start, site, device):
        found = by_name(name)
        assert (found.start, found.site, found.device) == (start, site, device)
        assert found.start.utcoffset() == start.utcoffset()
        assert found.remark == ""

    @pytest.mark.parametrize(
        "name",
        [
            "recording_07.mp3",
            "20210601.wav",  # a day is no time of day
            "20211301_050000.wav",
            "20210601_250000.wav",
            "20210230_050000.wav",
            "58123456.WAV",  # hexadecimal, or any number
            "FFFFFFFF.WAV",
            "5AFCD4F45AFCD4F4.WAV",
            "1234202106010500001.wav",
            "86f5923d-ef1d-4159-b120-a8dec3f6334e.wav",
            "2021/06/010500.wav",
        ],
    )
    def test_nothing_is_guessed(self, name):
        found = by_name(name)
        assert (found.start, found.site, found.device, found.remark) == (None, "", "", "")

    @pytest.mark.parametrize("name", ["r_20210601_050000-01.wav", "r_20210601_050000-0001.wav"])
    def test_the_number_of_a_piece_is_no_time_zone(self, name):
        assert by_name(name).start == datetime(2021, 6, 1, 5)

    def test_a_clock_that_was_never_set_gives_no_time(self):
        found = by_name("POND_19700101_000012.wav")
        assert (found.start, found.site) == (None, "POND")
        assert "was not set: it says 1970-01-01T00:00:12" in found.remark

    @given(st.text(max_size=60))
    def test_any_name_is_read(self, name):
        by_name(name)

    @given(
        st.datetimes(datetime(1990, 1, 1), datetime(2099, 1, 1)),
        st.sampled_from(["%Y%m%d_%H%M%S", "%Y%m%dT%H%M%S", "%Y-%m-%dT%H-%M-%S", "%Y%m%d$%H%M%S"]),
        st.sampled_from(["", "SITE_"]),
    )
    def test_any_time_reads_back(self, start, form, prefix):
        found = by_name(f"folder/{prefix}{start.strftime(form)}.wav")
        assert found.start == start.replace(microsecond=0)
        assert found.site == prefix.rstrip("_")


class TestHeaders:
    @pytest.mark.parametrize(
        ("zone", "offset"),
        [
            ("", UTC),
            ("+2", hours(2)),
            ("-10", hours(-10)),
            ("+10:30", hours(10, 30)),
            ("-3:30", hours(-3, -30)),
        ],
    )
    def test_audiomoth(self, tmp_path, zone, offset):
        comment = AUDIOMOTH.format(zone=zone)
        path = write_wav(tmp_path / "a.wav", before=info(ICMT=comment))
        found = by_file(path)
        assert found.start == datetime(2021, 6, 1, 5, tzinfo=offset)
        assert found.device == "24F31901603710B6"

    @pytest.mark.parametrize(
        "comment",
        [
            "Recorded at 05:00:00 01/06/2021 by AudioMoth 24F31901603710B6 at gain setting 2 while "
            "battery state was > 5.0V",
            "Recorded at 05:00:00 01/06/2021 (UTC) during deployment 00000000A4168C14 using "
            "external microphone at low-medium gain while battery was 3.4V and temperature was "
            "-30.0C. Frequency trigger (3.3kHz and window length of 512 samples) threshold was 70% "
            "with 1s minimum trigger duration. Recording stopped by magnetic switch.",
        ],
    )
    def test_audiomoth_of_the_oldest_and_of_later_firmware(self, tmp_path, comment):
        before = info(ICMT=comment, IART="AudioMoth 24F31901603710B6")
        found = by_file(write_wav(tmp_path / "a.wav", before=before))
        assert found.start == datetime(2021, 6, 1, 5, tzinfo=UTC)
        assert found.device == "24F31901603710B6"

    def test_audiomoth_made_flac(self, tmp_path):
        with sf.SoundFile(tmp_path / "a.flac", "w", 8000, 1) as file:
            file.comment = AUDIOMOTH.format(zone="+2")
            file.write(np.random.default_rng(0).uniform(-0.5, 0.5, 8000))
        assert by_file(tmp_path / "a.flac").start == datetime(2021, 6, 1, 5, tzinfo=hours(2))

    def test_firmware_that_wrote_half_hour_zones_wrongly(self, tmp_path):
        comment = (
            "Recorded at 10:31:30 01/01/2020 (UTC+9:30) by AudioMoth 24F31901603710B6 at gain "
            "setting 2 while battery state was 4.5V."
        )
        path = write_wav(tmp_path / "a.wav", before=info(ICMT=comment))
        found = by_file(path, "20200101_013000.WAV")
        assert found.start == datetime(2020, 1, 1, 1, 30)
        assert found.device == "24F31901603710B6"
        assert "writes wrongly" in found.remark

    @pytest.mark.parametrize(
        ("timestamp", "start"),
        [
            ("2020-10-17 13:05:00+1:00", datetime(2020, 10, 17, 13, 5, tzinfo=hours(1))),
            ("2020-10-17T13:05:00Z", datetime(2020, 10, 17, 13, 5, tzinfo=UTC)),
            ("2020-10-17T13:05:00.123", datetime(2020, 10, 17, 13, 5, 0, 123000)),
        ],
    )
    @pytest.mark.parametrize("where", ["before", "after"])
    def test_guano(self, tmp_path, timestamp, start, where):
        guan = chunk(b"guan", GUANO.format(timestamp=timestamp).encode())
        found = by_file(write_wav(tmp_path / "a.wav", **{where: guan}))
        assert (found.start, found.device) == (start, "SMA00646")
        assert found.start.utcoffset() == start.utcoffset()

    @pytest.mark.parametrize(
        "text", [b"", b"\xff\xfe:::\n|", b"Timestamp:yesterday\n", b"x" * 99_999]
    )
    def test_guano_that_is_none(self, tmp_path, text):
        found = by_file(write_wav(tmp_path / "a.wav", before=chunk(b"guan", text)))
        assert (found.start, found.device) == (None, "")

    @pytest.mark.parametrize(
        ("date", "time"), [("2021-06-01", "05:00:00"), ("2021:06:01", "05-00-00")]
    )
    def test_broadcast_wav(self, tmp_path, date, time):
        found = by_file(write_wav(tmp_path / "a.wav", before=bext(date, time)))
        assert (found.start, found.device) == (datetime(2021, 6, 1, 5), "")

    def test_broadcast_wav_without_a_date(self, tmp_path):
        found = by_file(write_wav(tmp_path / "a.wav", before=bext("\0" * 10, "\0" * 8)))
        assert found.start is None

    def test_guano_goes_before_the_comment_and_that_before_broadcast_wav(self, tmp_path):
        old = bext("2019-01-01", "00:00:00")
        comment = info(ICMT=AUDIOMOTH.format(zone="+2"))
        guan = chunk(b"guan", b"Timestamp: 2022-02-02T02:02:02Z")
        path = tmp_path / "a.wav"
        assert by_file(write_wav(path, before=old + comment)).start.year == 2021
        assert by_file(write_wav(path, before=old + comment, after=guan)).start.year == 2022

    def test_a_cut_file_keeps_what_its_header_said(self, tmp_path):
        path = write_wav(tmp_path / "a.wav", before=info(ICMT=AUDIOMOTH.format(zone="")))
        path.write_bytes(path.read_bytes()[:-4000])
        assert by_file(path).start == datetime(2021, 6, 1, 5, tzinfo=UTC)


class TestPrecedence:
    TAGS = Tags(comment=AUDIOMOTH.format(zone="+2"))

    def test_the_header_goes_before_the_name_and_a_difference_is_told(self):
        found = Clock().origin("POND_20210601_060000.wav", self.TAGS)
        assert found.start == datetime(2021, 6, 1, 5, tzinfo=hours(2))
        assert (found.site, found.device) == ("POND", "24F31901603710B6")
        assert "header says 2021-06-01T05:00:00.000+02:00" in found.remark
        assert "its name 2021-06-01T06:00:00.000: the header was taken" in found.remark

    @pytest.mark.parametrize("name", ["20210601_050000.WAV", "20210601_030000.WAV", "60B5A2B0.WAV"])
    def test_a_name_in_utc_or_local_time_agrees(self, name):
        assert Clock().origin(name, self.TAGS).remark == ""

    def test_the_pattern_goes_before_the_header(self):
        pattern = NamePattern(r"(?P<site>\w+) (?P<date>\d+) (?P<time>\d+)")
        found = Clock(pattern).origin("20210101_000000 x/POND 20210601 0700.wav", self.TAGS)
        assert (found.start, found.site) == (datetime(2021, 6, 1, 7), "POND")
        assert "the name pattern was taken" in found.remark
        assert "its name 2021-01-01" not in found.remark

    def test_a_name_that_the_pattern_does_not_match_is_read_as_usual(self):
        pattern = NamePattern(r"^(?P<site>\w+) (?P<date>\d+) (?P<time>\d+)")
        assert by_name("20210601_050000.WAV", pattern=pattern).start == datetime(2021, 6, 1, 5)


class TestPattern:
    @pytest.mark.parametrize(
        ("pattern", "name", "start", "site"),
        [
            (
                r"(?P<site>[^/]+)/.*(?P<day>\d\d)\.(?P<month>\d\d)\.(?P<year>\d{4}) "
                r"(?P<hour>\d\d)h(?P<minute>\d\d)",
                "Hill/a 01.06.2021 05h30.wav",
                datetime(2021, 6, 1, 5, 30),
                "Hill",
            ),
            (
                r"(?P<date>\d{4}\.\d\d\.\d\d)-(?P<time>\d\d\.\d\d\.\d\d)(?P<offset>[+-]\d+)",
                "2021.06.01-05.30.15-0330.wav",
                datetime(2021, 6, 1, 5, 30, 15, tzinfo=hours(-3, -30)),
                "",
            ),
            (
                r"(?P<hex>[0-9A-F]{8})",
                "a_60B5A2B0.wav",
                datetime(2021, 6, 1, 3, tzinfo=UTC),
                "",
            ),
            (r"^(?P<site>[^/]+)/", "Hill/20210601_050000.WAV", datetime(2021, 6, 1, 5), "Hill"),
        ],
    )
    def test_forms_of_ones_own(self, pattern, name, start, site):
        found = by_name(name, pattern=NamePattern(pattern))
        assert (found.start, found.site, found.remark) == (start, site, "")

    def test_what_matches_but_is_no_time_is_told(self):
        pattern = NamePattern(r"(?P<date>\d{8})x(?P<time>\d{4})")
        found = by_name("20211301x0500.wav", pattern=pattern)
        assert found.start is None
        assert "finds no time in its name: 20211301 0500" in found.remark

    @pytest.mark.parametrize(
        ("pattern", "message"),
        [
            ("(", "is no regular expression"),
            (r"\d+", "has no named group"),
            (r"(?P<sites>\w+)", "did you mean 'site'"),
            (r"(?P<date>\d{8})", "gives no whole date and time, only date"),
            (r"(?P<year>\d)(?P<month>\d)(?P<hour>\d)(?P<minute>\d)", "no whole date and time"),
            (r"(?P<site>\w)(?P<offset>\w)", "no whole date and time, only offset"),
        ],
    )
    def test_bad_patterns(self, pattern, message):
        with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
            NamePattern(pattern)


class TestZones:
    def test_a_start_without_a_zone_stays_without(self):
        assert by_name("20210601_050000.WAV").start.tzinfo is None

    def test_the_users_zone_is_that_of_bare_times(self):
        start = by_name("20210601_050000.WAV", zone=parse_zone("Europe/Paris")).start
        assert start.isoformat() == "2021-06-01T05:00:00+02:00"

    def test_times_with_a_zone_are_given_in_the_users(self):
        start = by_name("20210601_050000Z.WAV", zone=parse_zone("America/Manaus")).start
        assert start.isoformat() == "2021-06-01T01:00:00-04:00"

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [("UTC", 0), ("Z", 0), ("+02:00", 7200), ("-0330", -12600), ("UTC+5", 18000)],
    )
    def test_offsets(self, text, seconds):
        assert parse_zone(text).utcoffset(None) == timedelta(seconds=seconds)

    @pytest.mark.parametrize("text", ["Europe/Pari", "Mars", "", "+25:00", "../x", "Europe", "é"])
    def test_no_zones(self, text):
        with pytest.raises(ConfigError, match="is no time zone"):
            parse_zone(text)

    def test_the_hour_that_comes_twice_and_the_one_that_never_comes(self):
        zone = parse_zone("Europe/Paris")
        twice = by_name("20211031_023000.wav", zone=zone)
        assert twice.start.isoformat() == "2021-10-31T02:30:00+02:00"
        assert "came twice" in twice.remark
        never = by_name("20210328_023000.wav", zone=zone)
        assert never.start.isoformat() == "2021-03-28T03:30:00+02:00"
        assert "there was no 2021-03-28T02:30:00" in never.remark

    @given(st.integers(0, 48 * 3600), st.floats(0, 48 * 3600))
    def test_later_is_real_time_across_a_change_of_the_clock(self, before_s, seconds):
        zone = parse_zone("Europe/Paris")
        start = datetime(2021, 10, 30, tzinfo=UTC) + timedelta(seconds=before_s)
        moved = later(start.astimezone(zone), seconds)
        assert moved - start == timedelta(seconds=seconds)
        assert moved.tzinfo is zone


SEASON = {
    "north/24F31901603710B6_20210601_050000.WAV": (2.0,),
    "north/24F31901603710B6_20210601_235930.WAV": (25.0, 40.0),
    "south/deep/x.wav": (),
}


@pytest.fixture(scope="module")
def bundle(tone_bundle):
    return tone_bundle.path


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, starts_s in SEASON.items():
        write_wav(tmp_path / "rec" / name, sound=calls(60.0, starts_s), rate_hz=MODEL_RATE_HZ)
    return tmp_path


def scan(bundle, *arguments):
    return run(["scan", "rec", "-o", "r.csv", "--no-plots", "--model", str(bundle), *arguments])


class TestScan:
    def test_tables_tell_when_and_where(self, work, bundle, capsys):
        (work / "sites.csv").write_text(
            "device;folder;site;latitude;longitude\n24F31901603710B6;;Ridge;-3.25;-60\n"
            ";south;Valley;;\n",
            encoding="utf-8",
        )
        assert scan(bundle, "--sites", "sites.csv", "--timezone", "America/Manaus") == 0
        told = {row["recording"]: row for row in rows_of(work / "r" / "recordings.csv")}
        first = told["north/24F31901603710B6_20210601_050000.WAV"]
        assert first["start_time"] == "2021-06-01T05:00:00.000-04:00"
        assert (first["site"], first["device"], first["day"]) == (
            "Ridge",
            "24F31901603710B6",
            "2021-06-01",
        )
        assert (float(first["latitude"]), float(first["longitude"])) == (-3.25, -60)
        assert (first["sample_rate_hz"], first["channels"]) == ("8000", "1")
        assert (first["scanned_s"], first["effort_s"]) == ("60.000", "60.000")
        last = told["south/deep/x.wav"]
        assert (last["site"], last["start_time"], last["latitude"]) == ("Valley", "", "")
        events = rows_of(work / "r" / "events.csv")
        assert [row["start_time"][:16] for row in events] == [
            "2021-06-01T05:00",
            "2021-06-01T23:59",
            "2021-06-02T00:00",
        ]
        assert {row["site"] for row in events} == {"Ridge"}
        assert "1 of 3 recordings have no start time" in capsys.readouterr().err

    def test_bare_starts_are_written_bare_and_said(self, work, bundle, capsys):
        assert scan(bundle) == 0
        starts = [row["start_time"] for row in rows_of(work / "r" / "recordings.csv")]
        assert starts == ["2021-06-01T05:00:00.000", "2021-06-01T23:59:30.000", ""]
        assert "2 of 3 recordings have a start without time zone" in capsys.readouterr().err

    def test_a_disagreement_stands_in_the_row(self, work, bundle):
        before = info(ICMT=AUDIOMOTH.format(zone=""))
        write_wav(work / "rec" / "20200101_000000.WAV", before=before)
        assert scan(bundle) == 0
        row = next(r for r in rows_of(work / "r.csv") if r["recording"] == "20200101_000000.WAV")
        assert row["status"] == "ok"
        assert "the header was taken" in row["message"]

    def test_a_failed_recording_keeps_its_place(self, work, bundle):
        (work / "rec" / "POND_20210601_050000.wav").write_bytes(b"nothing")
        assert scan(bundle) == 1
        row = next(r for r in rows_of(work / "r" / "recordings.csv") if r["site"] == "POND")
        assert (row["status"], row["effort_s"], row["sample_rate_hz"]) == ("failed", "0.000", "")
        assert row["start_time"] == "2021-06-01T05:00:00.000"
        sites = {row["site"]: row for row in rows_of(work / "r" / "summary_site.csv")}
        assert (sites["POND"]["recordings"], sites["POND"]["calls_per_hour"]) == ("0", "")

    def test_the_tables_serve_as_strata(self, work, bundle, capsys):
        (work / "sites.csv").write_text("folder,site\nnorth,N\nsouth,S\n", encoding="utf-8")
        assert scan(bundle, "--sites", "sites.csv") == 0
        assert run(["sample", "r.csv", "-n", "12", "--by", "site", "-o", "s"]) == 0
        assert {row["stratum"] for row in rows_of(work / "s" / "sample.csv")} == {"N", "S"}
        assert run(["sample", "r.csv", "-n", "12", "--by", "day", "-o", "d"]) == 2
        assert "holds no day for 1 of the scanned recordings" in refusal(capsys)

    def test_the_settings_stand_in_the_config_and_the_manifest(self, work, bundle):
        config = "timezone: Europe/Paris\nname_pattern: (?P<site>^[^/]+)\n"
        (work / "c.yaml").write_text(config, encoding="utf-8")
        assert scan(bundle, "--config", "c.yaml", "--timezone", "UTC") == 0
        rows = rows_of(work / "r" / "recordings.csv")
        assert [row["site"] for row in rows] == ["north", "north", "south"]
        assert rows[0]["start_time"].endswith("+00:00")
        manifest = (work / "r" / "manifest.json").read_text(encoding="utf-8")
        assert '"timezone": "UTC"' in manifest
        assert '"name_pattern": "(?P<site>^[^/]+)"' in manifest

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--timezone", "Europe/Pari"], "did you mean 'Europe/Paris'"),
            (["--timezone", ""], "'timezone' = ''"),
            (["--name-pattern", "("], "is no regular expression"),
            (["--name-pattern", "abc"], "has no named group"),
            (["--name-pattern", "(?P<site>zzz)"], "matches none of 3 recordings"),
            (["--sites", "none.csv"], "cannot read none.csv"),
        ],
    )
    def test_bad_flags(self, work, bundle, capsys, arguments, message):
        assert scan(bundle, *arguments) == 2
        assert message in refusal(capsys)
        assert not (work / "r").exists()

    @pytest.mark.parametrize(
        ("table", "message"),
        [
            ("folder,latitude\nnorth,1\n", "has no column site"),
            ("folder,site\nnorth,A\nsuoth,B\n", "row 3: folder 'suoth' holds no recording"),
            ("device,site\n24F31901603710B5,A\n", "row 2: no recording of this scan is of device"),
            (
                "folder,site\nnorth,A\nnorth/,B\n",
                "row 3: folder 'north/' stands in sites.csv, row 2",
            ),
            ("device,site\nX,A\nX,A\n", "row 3: device 'X' stands in sites.csv, row 2"),
            ("folder,site\n,A\n", "row 2: names neither a folder nor a device"),
            ("folder,device,site\nnorth,X,A\n", "row 2: names both a folder and a device"),
            ("folder,site\nnorth,\n", "row 2: no site is named"),
            (
                "folder,site,latitude,longitude\nnorth,A,91,0\n",
                "row 2: latitude '91' is no number from -90 to 90",
            ),
            (
                "folder,site,latitude,longitude\nnorth,A,1,-180.5\n",
                "row 2: longitude '-180.5' is no number from -180 to 180",
            ),
            ("folder,site,latitude,longitude\nnorth,A,1° N,0\n", "latitude '1° N' is no number"),
            ("folder,site,latitude,longitude\nnorth,A,nan,0\n", "latitude 'nan' is no number"),
            ("folder,site,latitude,longitude\nnorth,A,1,\n", "one of latitude and longitude"),
        ],
    )
    def test_bad_sites(self, work, bundle, capsys, table, message):
        (work / "sites.csv").write_text(table, encoding="utf-8")
        assert scan(bundle, "--sites", "sites.csv") == 2
        assert message in refusal(capsys)
        assert not (work / "r").exists()

    def test_a_device_can_stand_in_the_header_alone(self, work, bundle, capsys):
        shutil.rmtree(work / "rec")
        before = info(ICMT=AUDIOMOTH.format(zone=""))
        for name in ("a/1.wav", "a/2.wav", "b/3.wav"):
            write_wav(work / "rec" / name, before=before if name == "a/2.wav" else b"")
        (work / "sites.csv").write_text("device,site\n24F31901603710B6,Q\n", encoding="utf-8")
        assert scan(bundle, "--sites", "sites.csv") == 0
        assert [r["site"] for r in rows_of(work / "r" / "recordings.csv")] == ["", "Q", ""]
        assert "2 of 3 recordings are of no row of --sites" in capsys.readouterr().err

    def test_info_says_when_and_where(self, work, capsys):
        before = info(ICMT=AUDIOMOTH.format(zone="+2"))
        write_wav(work / "POND_20210601_060000.wav", before=before)
        assert run(["info", "POND_20210601_060000.wav"]) == 0
        told = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
        assert told["start"] == "2021-06-01T05:00:00.000+02:00"
        assert (told["site"], told["device"]) == ("POND", "24F31901603710B6")
        assert "the header was taken" in told["remark"]
        assert run(["info", "rec/south/deep/x.wav"]) == 0
        assert "start        not told" in capsys.readouterr().out

    def test_own_tables_are_replaced_and_others_not(self, work, bundle, capsys):
        assert scan(bundle) == 0
        assert scan(bundle) == 0
        (work / "r" / "summary_day.csv").write_text("my,table\n", encoding="utf-8")
        assert scan(bundle) == 2
        assert "summary_day.csv exists and was not made by callcount" in refusal(capsys)
