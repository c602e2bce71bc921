"""A bundle damaged in one way at a time: found, and named for what it is."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path

import pytest

from evidence.verify_bundle import Finding, describe, verify

TAGS, PAYLOAD = "tagmanifest-sha256.txt", "manifest-sha256.txt"
FINGERPRINT, SIGNATURE = "fingerprint-sha256.txt", "fingerprint-sha256.txt.sig"


def files_of(folder: Path) -> list[str]:
    """Every file of a bundle, '/' between, sorted."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def findings(bundle: Path) -> list[tuple[str, str]]:
    """(kind, path) of each."""
    return [(one.kind, one.path) for one in verify(bundle).findings]


@pytest.fixture
def each_file(pristine: Path, tmp_path: Path) -> Callable[[], Iterator[tuple[Path, str]]]:
    """Hands out the bundle anew, whole, with the name of one of its files."""

    def copies() -> Iterator[tuple[Path, str]]:
        for number, name in enumerate(files_of(pristine)):
            yield Path(shutil.copytree(pristine, tmp_path / str(number))), name

    return copies


def test_a_sound_bundle_has_no_finding(bundle: Path) -> None:
    verdict = verify(bundle)
    assert verdict.findings == []
    assert verdict.files == len(files_of(bundle))
    assert (bundle / "fingerprint-sha256.txt").read_text().startswith(f"{verdict.fingerprint}  ")


@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
def test_flipped_byte_is_found_in_every_file(
    each_file: Callable[[], Iterator[tuple[Path, str]]], place: float
) -> None:
    for bundle, name in each_file():
        content = bytearray((bundle / name).read_bytes())
        content[round(place * (len(content) - 1))] ^= 0x20
        (bundle / name).write_bytes(content)
        assert findings(bundle)[0] in (("changed", name), ("signature", name))


def test_truncated_file_is_found(each_file: Callable[[], Iterator[tuple[Path, str]]]) -> None:
    for bundle, name in each_file():
        content = (bundle / name).read_bytes()
        (bundle / name).write_bytes(content[: len(content) // 2])
        assert findings(bundle)[0] in (("changed", name), ("signature", name))


def test_removed_file_is_found(each_file: Callable[[], Iterator[tuple[Path, str]]]) -> None:
    for bundle, name in each_file():
        (bundle / name).unlink()
        assert findings(bundle) == [("missing", name)]


def test_renamed_file_is_found(each_file: Callable[[], Iterator[tuple[Path, str]]]) -> None:
    for bundle, name in each_file():
        other = f"{name}.bak"
        (bundle / name).rename(bundle / other)
        assert verify(bundle).findings == [Finding("renamed", name, other)]


def test_file_moved_into_another_folder_is_found(bundle: Path) -> None:
    original = next(name for name in files_of(bundle) if name.startswith("data/originals/north"))
    (bundle / original).rename(bundle / "data" / "moved.mp4")
    assert verify(bundle).findings == [Finding("renamed", original, "data/moved.mp4")]


def test_added_file_is_found(bundle: Path) -> None:
    folders = [bundle, *(path for path in sorted(bundle.rglob("*")) if path.is_dir())]
    for folder in folders:
        extra = folder / "extra.mp4"
        extra.write_bytes(b"not ours")
        assert findings(bundle) == [("added", extra.relative_to(bundle).as_posix())]
        extra.unlink()


def test_added_copy_of_a_file_is_found(bundle: Path) -> None:
    original = next(name for name in files_of(bundle) if name.startswith("data/originals/"))
    shutil.copy(bundle / original, bundle / "data/originals/copy.mp4")
    assert findings(bundle) == [("added", "data/originals/copy.mp4")]


def test_two_swapped_files_are_found(bundle: Path) -> None:
    for one, other in combinations(files_of(bundle), 2):
        _swap(bundle / one, bundle / other)
        found = verify(bundle).findings
        assert len(found) == 1, found
        assert found[0].kind == "swapped"
        assert {found[0].path, found[0].other} == {one, other}
        _swap(bundle / one, bundle / other)
    assert verify(bundle).findings == []


def _swap(one: Path, other: Path) -> None:
    spare = one.with_name("spare")
    one.rename(spare)
    other.rename(one)
    spare.rename(other)


def test_two_damages_at_once_are_both_named(bundle: Path) -> None:
    names = [name for name in files_of(bundle) if name.startswith("data/originals/")]
    (bundle / names[0]).unlink()
    (bundle / names[1]).write_bytes(b"other")
    assert sorted(findings(bundle)) == [("changed", names[1]), ("missing", names[0])]


def test_lists_removed_together_are_all_missed(bundle: Path) -> None:
    for name in ("fingerprint-sha256.txt", TAGS, PAYLOAD):
        (bundle / name).unlink()
    kinds = {path: kind for kind, path in findings(bundle)}
    assert kinds["fingerprint-sha256.txt"] == kinds[TAGS] == kinds[PAYLOAD] == "missing"


def test_link_in_place_of_a_file_is_not_followed(bundle: Path, tmp_path: Path) -> None:
    original = next(name for name in files_of(bundle) if name.startswith("data/originals/"))
    elsewhere = tmp_path / "elsewhere.mp4"
    (bundle / original).rename(elsewhere)
    (bundle / original).symlink_to(elsewhere)
    assert findings(bundle) == [("special", original), ("missing", original)]


def test_pipe_in_the_bundle_is_not_opened(bundle: Path) -> None:
    os.mkfifo(bundle / "data" / "pipe")
    assert findings(bundle) == [("special", "data/pipe")]


def test_another_bundle_is_told_by_its_fingerprint(bundle: Path) -> None:
    fingerprint = verify(bundle).fingerprint
    assert fingerprint is not None
    assert verify(bundle, fingerprint.upper()).findings == []
    assert [one.kind for one in verify(bundle, "0" * 64).findings] == ["fingerprint"]


def test_hostile_file_name_cannot_steer_a_terminal(bundle: Path) -> None:
    (bundle / "data" / "\x1b[2Jgone\n- sound").write_bytes(b"x")
    text = describe(verify(bundle).findings[0])
    assert "\x1b" not in text
    assert "\n" not in text


# Somebody who makes every hash anew cannot sign, and has to tell one story in all documents.


def relist(bundle: Path) -> None:
    """Make every list anew, as anybody can."""

    def write(listing: str, names: list[str]) -> None:
        digests = (hashlib.sha256((bundle / name).read_bytes()).hexdigest() for name in names)
        lines = [f"{digest}  {name}\n" for digest, name in zip(digests, names, strict=True)]
        (bundle / listing).write_text("".join(lines))

    unlisted = {TAGS, FINGERPRINT, SIGNATURE}
    write(PAYLOAD, [name for name in files_of(bundle) if name.startswith("data/")])
    write(TAGS, [name for name in files_of(bundle) if "/" not in name and name not in unlisted])
    write(FINGERPRINT, [TAGS])


def remade(bundle: Path, change: Callable[[dict, list, dict], None]) -> list[str]:  # type: ignore[type-arg]
    """Change the documents, make all lists anew; the kinds found beside the signature."""
    documents = [json.loads((bundle / f"data/{name}.json").read_text())
                 for name in ("manifest", "gaps", "custody")]  # fmt: skip
    change(*documents)
    for name, document in zip(("manifest", "gaps", "custody"), documents, strict=True):
        (bundle / f"data/{name}.json").write_text(json.dumps(document, ensure_ascii=False))

    relist(bundle)
    kinds = [finding.kind for finding in verify(bundle).findings]
    assert kinds.pop(0) == "signature"
    return kinds


def test_documents_written_anew_alike_are_no_finding(bundle: Path) -> None:
    assert remade(bundle, lambda manifest, gaps, custody: None) == []


def test_removed_segment_is_missed_by_the_time_it_covered(bundle: Path) -> None:
    def drop(manifest: dict, gaps: list, custody: dict) -> None:  # type: ignore[type-arg]
        last = manifest["cameras"][0]["segments"].pop()
        manifest["cameras"][0]["playable"] = manifest["cameras"][0]["stills"] = []
        (bundle / last["file"]).unlink()
        for path in (bundle / "data").glob("[ps]*/north-gate*"):  # playable, stills
            path.unlink()

    assert remade(bundle, drop) == ["proof", "span"]


def test_removed_segment_is_missed_by_the_one_that_follows_it(bundle: Path) -> None:
    def drop(manifest: dict, gaps: list, custody: dict) -> None:  # type: ignore[type-arg]
        middle = manifest["cameras"][0]["segments"].pop(1)
        manifest["cameras"][0]["playable"] = manifest["cameras"][0]["stills"] = []
        (bundle / middle["file"]).unlink()
        for path in (bundle / "data").glob("[ps]*/north-gate*"):  # playable, stills
            path.unlink()
        gaps.append({**middle, "camera": "north-gate", "cause": "stalled", "detail": None})

    assert remade(bundle, drop) == ["chain", "proof"]


def test_original_replaced_by_another_file_contradicts_the_manifest(bundle: Path) -> None:
    def replace(manifest: dict, gaps: list, custody: dict) -> None:  # type: ignore[type-arg]
        one = manifest["cameras"][0]["segments"][0]
        (bundle / one["file"]).write_bytes(b"x" * one["size_bytes"])

    assert remade(bundle, replace) == ["contradiction"]


def test_media_the_manifest_does_not_know_are_found(bundle: Path) -> None:
    def add(manifest: dict, gaps: list, custody: dict) -> None:  # type: ignore[type-arg]
        (bundle / "data/originals/north-gate/more.mp4").write_bytes(b"more")

    assert remade(bundle, add) == ["unlisted"]


def test_gap_left_out_of_the_list_is_found(bundle: Path) -> None:
    assert remade(bundle, lambda manifest, gaps, custody: gaps.clear()) == ["span"]


def test_gap_over_recorded_time_is_found(bundle: Path) -> None:
    def claim(manifest: dict, gaps: list, custody: dict) -> None:  # type: ignore[type-arg]
        gaps[0] |= {"start": "2026-11-18T13:00:03.000000Z", "end": "2026-11-18T13:00:05.000000Z"}

    assert remade(bundle, claim) == ["span"]


def test_changed_audit_row_is_found(bundle: Path) -> None:
    def rewrite(manifest: dict, gaps: list, custody: dict) -> None:  # type: ignore[type-arg]
        custody["rows"][0]["actor"] = "somebody else"

    assert remade(bundle, rewrite) == ["custody"]


@pytest.mark.parametrize("junk", ["{", "[]", "null", '{"format": "hindsight-bundle"}', "[" * 9999])
def test_document_of_another_shape_is_malformed(bundle: Path, junk: str) -> None:
    (bundle / "data/manifest.json").write_text(junk)
    # Its hash is wrong, so nothing it says is looked at.
    assert findings(bundle) == [("changed", "data/manifest.json")]
    relist(bundle)
    assert {kind for kind, _ in findings(bundle)} == {"signature", "malformed"}


# Zipped bundles


@pytest.fixture
def zipped(bundle: Path, tmp_path: Path) -> Path:
    """The same bundle as a zip."""
    path = tmp_path / "bundle.zip"
    with zipfile.ZipFile(path, "w") as target:
        for name in files_of(bundle):
            target.write(bundle / name, f"bundle/{name}")
    return path


def test_a_sound_zip_has_no_finding(zipped: Path) -> None:
    assert findings(zipped) == []


def test_flipped_byte_in_the_content_of_a_zip_is_found(zipped: Path, bundle: Path) -> None:
    whole = zipped.read_bytes()
    for name in files_of(bundle):
        content = (bundle / name).read_bytes()
        damaged = bytearray(whole)
        damaged[whole.index(content) + len(content) // 2] ^= 1
        zipped.write_bytes(damaged)
        assert name in {path for _, path in findings(zipped)}


def test_hostile_names_in_a_zip_are_named_and_harm_nothing(zipped: Path, tmp_path: Path) -> None:
    hostile = ["bundle/../../evil.txt", "/etc/evil", "bundle\\..\\evil", "C:evil", "../evil.txt"]
    before = sorted(tmp_path.rglob("*"))
    with zipfile.ZipFile(zipped, "a") as target:
        for name in hostile:
            target.writestr(name, "evil")
    assert findings(zipped) == [("unsafe", name) for name in hostile]
    assert sorted(tmp_path.rglob("*")) == before


def test_entry_beside_the_bundle_in_a_zip_is_found(zipped: Path) -> None:
    with zipfile.ZipFile(zipped, "a") as target:
        target.writestr("other/file.txt", "x")
    assert findings(zipped) == [("added", "other/file.txt")]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_name_that_stands_twice_in_a_zip_is_found(zipped: Path) -> None:
    with zipfile.ZipFile(zipped, "a") as target:
        target.writestr("bundle/data/report.html", "another")
    assert findings(zipped) == [("twice", "data/report.html")]


def test_zip_cut_short_cannot_be_read(zipped: Path) -> None:
    zipped.write_bytes(zipped.read_bytes()[:-500])
    assert findings(zipped) == [("unreadable", "bundle.zip")]
