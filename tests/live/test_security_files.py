"""Which files are served, and which are not. Names are the cases'."""

import asyncio
import io
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest
from playwright.sync_api import Page

from tests.live.attack import asked, cookie_of
from tests.live.conftest import Served, wait_for
from tests.live.test_security_browser import elsewhere, page

__all__ = ["page"]

Serve = Callable[..., Served]

SECRET = "what no report holds"
BODY = """
log.upload("anything")
log.h1("Files")
log.file("what the report holds", "data.txt")
log.file(b"what the report holds too", "data.bin")
Path("begun").touch()
time.sleep(60)
"""
DRAWING = """<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9"
 height="9" onload="fetch('/api/touch')"><script>fetch('/api/touch'); fetch('http://{site}/script.txt')</script>
 <script href="http://{site}/evil.js" /><image href="http://{site}/image.png" width="9" height="9" />
 <style>@import url(http://{site}/style.css); rect {{ fill: url(http://{site}/fill.svg#x); }}</style>
 <rect width="9" height="9" /><foreignObject><iframe xmlns="http://www.w3.org/1999/xhtml"
 src="http://{site}/frame.html" /></foreignObject></svg>"""


async def addresses(session: aiohttp.ClientSession) -> list[str]:
    """The files that the page names, without their versions."""
    async with session.get("") as answer:
        return sorted(set(re.findall(r'"(files/\d+/[^"?]+)', await answer.text())))


def test_s25_a_drawing_does_nothing(serve: Serve, page: Page, tmp_path: Path) -> None:
    """Neither on the page, where it is a picture, nor opened by itself."""
    (tmp_path / "site").mkdir()
    wanted: list[str] = []
    with elsewhere(tmp_path / "site", wanted) as site:
        (tmp_path / "drawing.svg").write_text(DRAWING.format(site=site))
        served = serve(
            """
            @log.endpoint("GET", "/api/touch", thread=True)
            def touch() -> None:
                Path("touched").touch()

            log.image(Path("drawing.svg"), "a drawing")
            time.sleep(60)
            """
        )
        page.goto(served.url)
        shown = page.get_by_role("img", name="a drawing")
        shown.wait_for()
        assert shown.evaluate("image => image.tagName") == "IMG"
        assert "onload=" not in page.content()
        source = shown.get_attribute("src")
        answer = page.goto(served.base + str(source))
        assert answer is not None
        policy = answer.headers["content-security-policy"].split("; ")
        assert {"default-src 'none'", "sandbox"} <= set(policy)
        assert answer.headers["content-type"] == "image/svg+xml"
        assert answer.headers["x-content-type-options"] == "nosniff"
        page.wait_for_timeout(500)
    assert not (served.folder / "touched").exists()
    assert wanted == []


async def test_s34_no_path_leads_to_a_file(serve: Serve) -> None:
    served = await serve(BODY).begun()
    sibling = served.folder / "reports/demo-secret"
    sibling.mkdir(parents=True)
    for folder in (sibling, served.folder, served.folder / "reports"):
        (folder / "secret.txt").write_text(SECRET)
    cookie = await cookie_of(served)
    async with served.client() as session:
        (first, second) = await addresses(session)
        async with session.get(first) as answer:
            assert (await answer.read()).startswith(b"what the report holds")
    for target in [
        "/reports/demo/demo.md",
        "/demo.md",
        "/etc/data.txt",
        "/.quire",
        "/.quire-journal.tmp",
        "/../demo-secret/secret.txt",
        "/files/../demo-secret/secret.txt",
        "/files/1/../../../secret.txt",
        "/files/%2e%2e/%2e%2e/secret.txt",
        "/files/..%2f..%2fsecret.txt/x",
        "/files/%252e%252e%252fsecret.txt/x",
        "/files/..\\..\\secret.txt/x",
        "/files/%c0%ae%c0%ae%2fsecret.txt/x",
        "/files/../secret.txt",
        "/files/99/data.txt",
        "/files/0/data.txt",
        "/files/-1/data.txt",
        "/files/1e0/data.txt",
        f"/files/{'9' * 5000}/x",
        "/files/1\x00/x",
        "/assets/../guard.py",
        "/assets/..%2fview.py",
        "/assets/%2e%2e%2fview.py",
        "/assets/..%5cview.py",
        "/assets/%2fetc%2fpasswd",
        "/assets/page.css%00.js",
        "/pages/..%2fsecret.txt",
        "/p/..%2f..%2fdemo-secret/",
        "/charts/..%2f..%2fsecret.txt",
    ]:
        told = await asked(served, "GET", target, cookie)
        assert told.status in (400, 404), (target, told.raw)
        assert SECRET.encode() not in told.raw
        assert b"import" not in told.raw
        assert b"root:" not in told.raw
    # The name at the end of an address says nothing but how to call the file.
    told = await asked(served, "GET", f"/{second.rpartition('/')[0]}/secret.txt", cookie)
    assert told.status == 200
    assert SECRET.encode() not in told.raw


def replaced(path: Path, kind: str, secret: Path) -> None:
    """Puts something that is no plain file in the place of one."""
    if kind == "folder link":
        path.parent.rename(path.parent.with_name("moved"))
        (secret.parent / path.name).write_text(SECRET)
        path.parent.symlink_to(secret.parent)
        return
    path.unlink()
    if kind == "link":
        path.symlink_to(secret)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        try:
            os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))
        except PermissionError:
            pytest.skip("only root can make a device")


@pytest.mark.parametrize("kind", ["link", "folder link", "pipe", "device", "folder"])
async def test_s35_what_is_no_plain_file_is_not_opened(serve: Serve, tmp_path: Path, kind: str) -> None:
    served = await serve(BODY).begun()
    (tmp_path / "elsewhere").mkdir()
    secret = tmp_path / "elsewhere/secret.txt"
    secret.write_text(SECRET)
    async with served.client() as session:
        await asyncio.to_thread(wait_for, served.document.exists, 20)
        found = {address.rpartition("/")[2]: address for address in await addresses(session)}
        replaced(served.document.parent / "etc/data.txt", kind, secret)
        async with session.get(found["data.txt"]) as answer:
            assert answer.status == 404
            assert SECRET not in await answer.text()
        async with session.get("report.html") as answer:
            assert answer.status == 200
            assert SECRET not in await answer.text()
        async with session.get("report.zip") as answer:
            assert answer.status == 200
            archive = zipfile.ZipFile(io.BytesIO(await answer.read()))
        assert "demo/demo.md" in archive.namelist()
        assert not any(SECRET.encode() in archive.read(name) for name in archive.namelist())
        assert "demo/etc/data.txt" not in archive.namelist()


@pytest.mark.parametrize("kind", ["names", "link", "pipe", "gone"])
async def test_the_zip_holds_what_quire_wrote(serve: Serve, tmp_path: Path, kind: str) -> None:
    """Whatever the list of that says, or has become: all it holds unpacks into its folder."""
    served = await serve(BODY).begun()
    (tmp_path / "secret.txt").write_text(SECRET)
    listing = served.document.parent / ".quire"
    evil = [
        "../../secret.txt",
        str(tmp_path / "secret.txt"),
        "etc/..\\..\\secret.txt",
        "etc/data.txt",
        "",
        "/",
    ]
    evil += ["etc", "\0", "C:\\secret.txt", ".", "..", "./../../secret.txt", "etc/../../../secret.txt"]
    async with served.client() as session:
        # Only then is all in the list that will be.
        await asyncio.to_thread(wait_for, served.document.exists, 20)
        if kind == "names":
            (served.document.parent / "etc/..\\..\\secret.txt").write_text(SECRET)
            listing.write_text("\n".join(evil))
        else:
            listing.unlink()
        if kind == "link":
            (tmp_path / "list").write_text("etc/data.txt\n")
            listing.symlink_to(tmp_path / "list")
        elif kind == "pipe":
            os.mkfifo(listing)
        async with session.get("report.zip") as answer:
            assert answer.status == 200
            archive = zipfile.ZipFile(io.BytesIO(await answer.read()))
    assert archive.namelist() == (["demo/etc/data.txt"] if kind == "names" else [])
    assert not any(SECRET.encode() in archive.read(name) for name in archive.namelist())


NAMES = [
    "../../evil",
    "/etc/evil",
    "C:\\evil",
    "..\\..\\evil",
    "CON",
    "x" * 300,
    "a/b",
    "\udcff\udcfe",
    ".",
    "..",
    "",
]
NAMES += [
    "évil 🎉",
    "evil.",
    ".quire",
    ".quire-evil.tmp",
    "-rf",
    "a;b|c`d",
    "evil.svg",
    "%2e%2e%2fevil",
    "a\tb",
]


async def test_s33_an_upload_stays_in_its_folder(serve: Serve) -> None:
    served = await serve(BODY).begun()
    cookie = await cookie_of(served)
    before = set(served.folder.rglob("*"))
    origin = ("Origin", f"http://127.0.0.1:{served.port}")
    for name in NAMES:
        headers = (cookie, origin, ("X-Name", name))
        answer = await asked(served, "POST", "/uploads/upload", *headers, body=b"evil")
        assert answer.status == 204, (name, answer.raw)
    made = set(served.folder.rglob("*")) - before
    files = [path for path in made if path.is_file() and path.read_bytes() == b"evil"]
    assert len(files) == len(NAMES)
    assert {path.parent for path in files} == {served.document.parent / "etc"}
    assert all(re.fullmatch(r"[\w.\-]{1,200}", path.name) for path in files)
    assert not any(path.name.startswith((".", "-")) for path in files)


async def test_s39_an_upload_that_is_too_large_leaves_nothing(serve: Serve) -> None:
    served = await serve(BODY).begun()
    folder = served.document.parent / "etc"
    before = set(folder.iterdir())
    async with served.client() as session:
        async with session.post("uploads/upload", data=io.BytesIO(bytes((1 << 20) + 1))) as answer:
            assert answer.status == 413
        async with session.post("uploads/upload", data=io.BytesIO(bytes(1 << 20))) as answer:
            assert answer.status == 204
    assert {path.name for path in set(folder.iterdir()) - before} == {"upload"}


def test_a_journal_is_not_written_through_a_link(serve: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "reports/demo"
    folder.mkdir(parents=True)
    target = tmp_path / "mine.txt"
    target.write_text(SECRET)
    for name in (".quire-journal.tmp", ".quire-log.tmp"):
        (folder / name).symlink_to(target)
    served = serve("print('printed')\nlog.p('written')", "--exit-when-done")
    assert served.process.wait(30) == 0
    assert target.read_text() == SECRET
    assert "written" in served.document.read_text()
