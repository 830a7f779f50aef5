"""Time stamps of an authority that openssl plays: the chain to the root must hold at the time of the stamp."""

from __future__ import annotations

import datetime as dt
import hashlib
import shutil
import subprocess

import pytest

from audit.pack._stamp import stamped

pytest.importorskip("rfc3161_client")
pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
POLICY = b'name = "gate"\n'
PRINTS = {"the file": ("sha256", hashlib.sha256(POLICY).digest())}
BEGAN = dt.datetime(2099, 1, 1, tzinfo=dt.UTC)
CONFIG = """
[req]
distinguished_name = name
[name]
[ca]
default_ca = own
[own]
database = index.txt
serial = serial
new_certs_dir = .
default_md = sha256
policy = names
unique_subject = no
[names]
commonName = supplied
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[nobody]
basicConstraints = critical, CA:FALSE
[stamps]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[mail]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, emailProtection
[tsa]
default_tsa = server
[server]
serial = stamps
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256
ess_cert_id_alg = sha256
"""
KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-config", "config")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A root, an intermediate authority, one that is none, and a request for a stamp of the policy."""
    folder = tmp_path_factory.mktemp("authority")
    for name, text in {"config": CONFIG, "index.txt": "", "serial": "10", "stamps": "01"}.items():
        (folder / name).write_text(text)
    (folder / "policy.toml").write_bytes(POLICY)
    say(folder, "req", "-x509", *KEY, "-subj", "/CN=root", "-keyout", "root.key", "-out", "root.pem", "-days", "3650",
        "-extensions", "authority")  # fmt: skip
    issue(folder, "middle", "root", "authority")
    issue(folder, "nobody", "root", "nobody")
    say(folder, "ts", "-query", "-data", "policy.toml", "-sha256", "-cert", "-out", "query")
    return folder


def say(folder, *words):
    return subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def issue(folder, name, by, kind, years=(2020, 2050)):
    """Give a certificate to a name."""
    say(folder, "req", *KEY, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
    say(folder, "ca", "-batch", "-config", "config", "-in", f"{name}.csr", "-cert", f"{by}.pem", "-keyfile",
        f"{by}.key", "-startdate", f"{years[0]}0101000000Z", "-enddate", f"{years[1]}0101000000Z", "-notext",
        "-extfile", "config", "-extensions", kind, "-out", f"{name}.pem")  # fmt: skip


def stamp(folder, name, chain):
    say(folder, "ts", "-reply", "-config", "config", "-section", "server", "-queryfile", "query", "-signer",
        f"{name}.pem", "-inkey", f"{name}.key", "-chain", f"{chain}.pem", "-out", f"{name}.tsr")  # fmt: skip
    return (folder / f"{name}.tsr").read_bytes()


def shown(folder, data, roots="root"):
    return stamped(data, PRINTS, (folder / f"{roots}.pem").read_bytes(), BEGAN)


@pytest.mark.parametrize("by", ["root", "middle"])
def test_a_chain_to_the_root_holds(place, by):
    """With and without an authority between, whose certificate the stamp brings along."""
    issue(place, f"under-{by}", by, "stamps")
    found = shown(place, stamp(place, f"under-{by}", by))
    assert found.doubts == ()
    assert dict(found.facts)["authority"] == f"CN=under-{by}"
    assert dict(found.facts)["root"].startswith("CN=root, sha256 ")
    assert dict(found.facts)["accuracy of its time"] == "not stated by the authority; taken as one second"


@pytest.mark.parametrize(
    ("name", "by", "years"), [("of-nobody", "nobody", (2020, 2050)), ("of-yesterday", "root", (2020, 2021))]
)
def test_a_chain_that_does_not_hold_shows_nothing(place, name, by, years):
    """One issued by a certificate that is no authority, and one that had run out when the stamp was made."""
    issue(place, name, by, "stamps", years)
    found = shown(place, stamp(place, name, by))
    assert found.headline == ""
    assert "does not hold by the root certificates" in " ".join(found.doubts)


def test_only_a_root_is_a_root(place):
    """The authority's own certificate is none, and neither is that of another."""
    issue(place, "own", "root", "stamps")
    data = stamp(place, "own", "root")
    assert shown(place, data).headline
    assert not shown(place, data, "own").headline
    assert not shown(place, data, "middle").headline


def test_a_certificate_for_another_purpose_makes_no_stamp(place):
    """Neither alone nor beside one of the same name and number, made by somebody else, that is for time stamps."""
    issue(place, "real", "root", "stamps")
    stamp(place, "real", "root")
    say(place, "ts", "-reply", "-in", "real.tsr", "-token_out", "-out", "real.token")
    say(place, "cms", "-verify", "-inform", "DER", "-in", "real.token", "-noverify", "-out", "info")
    issue(place, "mail", "root", "mail")
    serial = say(place, "x509", "-in", "mail.pem", "-noout", "-serial").stdout.decode().strip().partition("=")[2]
    say(place, "req", "-x509", *KEY, "-subj", "/CN=root", "-keyout", "fake.key", "-out", "fake.pem",
        "-extensions", "authority")  # fmt: skip
    say(place, "req", *KEY, "-subj", "/CN=mail", "-keyout", "twin.key", "-out", "twin.csr")
    say(place, "x509", "-req", "-in", "twin.csr", "-CA", "fake.pem", "-CAkey", "fake.key", "-set_serial", f"0x{serial}",
        "-extfile", "config", "-extensions", "stamps", "-out", "twin.pem")  # fmt: skip
    for more, why in (((), "does not hold"), (("-certfile", "twin.pem"), "2 certificates of that name and number")):
        say(place, "cms", "-sign", "-binary", "-nodetach", "-nosmimecap", "-outform", "DER", "-md", "sha256",
            "-econtent_type", "1.2.840.113549.1.9.16.1.4", "-in", "info", "-signer", "mail.pem", "-inkey", "mail.key",
            *more, "-out", "forged")  # fmt: skip
        found = shown(place, (place / "forged").read_bytes())
        assert found.headline == ""
        assert why in " ".join(found.doubts)
