"""What a user or an attacker can hand in: a clear message or a set-aside case, no traceback, no code run, no markup."""

from __future__ import annotations

import pickle
import zipfile

import numpy as np
import pytest

from audit.cli import main
from tests.session._make import evidence_of, write

CONFIG = """
[model]
kind = "{kind}"
{where}
task = "binary"
classes = ["no", "yes"]
output = "logits"
operating_point = 0.5
[model.input]
range = [0, 255]
size = [8, 8]
[cohort]
manifest = "cases.csv"
image = "file"
target = "label"
[cohort.attributes]
"<script>alert(1)</script>" = {{ role = "protected" }}
[audit]
profile = "smoke"
probes = "PERF,FAIR,DATA"
"""
NETS = "import numpy as np\ndef mean(x):\n    return (x.mean(axis=(1, 2, 3)) - 100)[:, None] / 20\n"


def image_cohort(folder, kind="callable", where='factory = "nets:mean"'):
    """Write forty good images and four bad ones; return the path of audit.toml."""
    from PIL import Image

    rng = np.random.default_rng(0)
    rows = ["file,label,<script>alert(1)</script>"]
    for i in range(40):
        pixels = rng.normal(100 + 10 * (i % 2), 20, (8, 8)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
        rows.append(f"{i}.png,{i % 2},{'<b>a' if i % 4 < 2 else 'b'}")
    np.save(folder / "nan.npy", np.full((8, 8), np.nan))
    (folder / "cut.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\x02\x00\x00\x00UL\x04\x00")
    (folder / "note.png").write_text("not an image")
    rows += ["gone.png,1,b", "nan.npy,1,b", "cut.dcm,0,b", "note.png,0,b"]
    (folder / "cases.csv").write_text("\n".join(rows) + "\n")
    (folder / "nets.py").write_text(NETS)
    (folder / "audit.toml").write_text(CONFIG.format(kind=kind, where=where))
    return folder / "audit.toml"


def test_bad_images_are_set_aside_and_markup_stays_text(tmp_path, capsys):
    """A missing file, a NaN image, a truncated DICOM and a text named .png: four reasons, forty cases audited."""
    code = main(["run", str(image_cohort(tmp_path)), "--out", str(tmp_path / "run")])
    assert code == 3
    shown = capsys.readouterr()
    assert "Traceback" not in shown.out + shown.err
    ledger = evidence_of(tmp_path / "run")["cohort"]["ledger"]
    assert (ledger["read"], ledger["used"], sum(ledger["set_aside"].values())) == (44, 40, 4)
    assert len(ledger["set_aside"]) == 4
    html = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "<script>alert(1)" not in html
    assert "<b>a" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert str(tmp_path) not in html
    assert "gone.png" not in html


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("form", ["plain", "zip"])
def test_a_pickle_that_would_run_code_is_refused(tmp_path, capsys, form):
    """Exit 2 with the reason; the code inside is not run."""
    data = pickle.dumps({"weight": Bomb(tmp_path / "ran")})
    if form == "plain":
        (tmp_path / "model.pt").write_bytes(data)
    else:
        with zipfile.ZipFile(tmp_path / "model.pt", "w") as z:
            z.writestr("model/data.pkl", data)
            z.writestr("model/version", "3")
    where = 'path = "model.pt"\nfactory = "nets:mean"'
    code = main(["run", str(image_cohort(tmp_path, "torch", where)), "--out", str(tmp_path / "run")])
    shown = capsys.readouterr()
    assert code == 2
    assert "Traceback" not in shown.out + shown.err
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "run").exists()


def test_an_unknown_column_names_those_that_are_there(tmp_path, capsys):
    """The message has the nearest column and exit code 2."""
    path = write(tmp_path)
    path.write_text(path.read_text().replace('target = "label"', 'target = "lable"'))
    assert main(["run", str(path), "--out", str(tmp_path / "run")]) == 2
    shown = capsys.readouterr().err
    assert "lable" in shown
    assert "did you mean" in shown or "'label'" in shown
    assert "Traceback" not in shown
