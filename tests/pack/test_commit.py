"""A signed commit shows that the policy came first only where signature, signer, purpose, content and time all hold."""

from __future__ import annotations

import datetime as dt
import subprocess

import pytest

from audit.errors import InputError
from audit.pack._commit import committed
from audit.pack._git import beside, object_id, path_of, read_commit
from audit.pack._proof import said
from audit.pack._repository import commit_objects
from audit.pack._ssh import allowed_signers, check_signature
from tests.pack._signed import POLICY, allowed, git, key, needs_git, repository

pytest.importorskip("cryptography")
pytestmark = needs_git
BEGAN = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def private(tmp_path_factory):
    """A key of Ed25519."""
    return key(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def given(tmp_path_factory, private):
    """Commit and trees of a repository whose commit holds the policy two folders deep."""
    folder = repository(tmp_path_factory.mktemp("repository"), private)
    return commit_objects(folder, "HEAD", POLICY)


def shown(given, signers, *, policy=POLICY, began=BEGAN):
    return committed(given[0], given[1], signers, policy, began)


def test_a_signed_commit_with_the_policy_before_the_run_is_shown(given, private):
    """Signer, path and time are named, and that the time is the signer's own word."""
    found = shown(given, allowed(private))
    assert found.headline == (
        "a signed commit of 2026-01-05 10:00:00 UTC by jane@example.org, a time that the signer states"
    )
    facts = dict(found.facts)
    listed = subprocess.run(["ssh-keygen", "-l", "-f", str(private)], capture_output=True, text=True, check=True).stdout
    assert facts["key of the signature"] == listed.split()[1]
    assert facts["policy file"] == "in the commit's tree as gates/policy.toml"
    assert "weaker proof than a time stamp" in facts["weight"]
    assert found.doubts == ()


def test_git_itself_says_the_same(tmp_path, private):
    """`git verify-commit` accepts what is accepted here, and refuses the key that is refused here."""
    folder = repository(tmp_path / "r", private)
    for signer, holds in ((private, True), (key(tmp_path, "other"), False)):
        allowed(signer, file=tmp_path / "allowed")
        git(folder, "config", "gpg.ssh.allowedSignersFile", str(tmp_path / "allowed"))
        try:
            git(folder, "verify-commit", "HEAD")
            theirs = True
        except subprocess.CalledProcessError:
            theirs = False
        mine = shown(commit_objects(folder, "HEAD", POLICY), (tmp_path / "allowed").read_bytes())
        assert (bool(mine.headline), theirs) == (holds, holds)


@pytest.mark.parametrize(
    ("kind", "more"), [("ecdsa", ()), ("ecdsa", ("-b", "521")), ("rsa", ("-b", "2048"))], ids=["p256", "p521", "rsa"]
)
def test_other_kinds_of_keys_are_checked_too(tmp_path, kind, more):
    """Elliptic curves and RSA, as ssh-keygen makes them."""
    own = key(tmp_path, "k", kind, *more)
    given = commit_objects(repository(tmp_path / "r", own), "HEAD", POLICY)
    assert shown(given, allowed(own)).headline
    assert not shown((given[0].replace(b"set the limits", b"set the limitz"), given[1]), allowed(own)).headline


def test_repositories_that_name_by_sha256_and_bundles_are_read(tmp_path, private):
    """The way from commit to file holds in both, and a bundle stands for its repository."""
    folder = repository(tmp_path / "r", private, form="sha256")
    assert shown(commit_objects(folder, "HEAD", POLICY), allowed(private)).headline
    folder = repository(tmp_path / "s", private, path="policy.toml")
    git(folder, "bundle", "create", "--quiet", str(tmp_path / "b.bundle"), "HEAD", "--all")
    assert commit_objects(tmp_path / "b.bundle", "HEAD", POLICY) == commit_objects(folder, "HEAD", POLICY)
    assert shown(commit_objects(tmp_path / "b.bundle", "HEAD", POLICY), allowed(private)).headline


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"1767607200", b"1767607201"),
        (b"set the limits", b"set the limitz"),
        (b"Jane Doe", b"John Doe"),
        (b"tree ", b"tree 0"[:5]),
    ],
    ids=["time", "message", "name", "tree"],
)
def test_a_commit_that_was_edited_shows_nothing(given, private, old, new):
    """Time, words, name: whatever is changed in it, the signature is over something else."""
    data = given[0].replace(old, new)
    if old == b"tree ":
        data = data.replace(data[5:45], object_id("tree", b"", 40).encode())
    assert data != given[0]
    found = shown((data, given[1]), allowed(private))
    assert not found.headline
    assert any("signature does not hold" in d for d in found.doubts)


def test_no_changed_byte_of_a_commit_is_accepted(given, private):
    """Every byte of the commit is under the signature, or is the signature."""
    data = given[0]
    for i in range(0, len(data), 7):
        bad = data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :]
        try:
            found = shown((bad, given[1]), allowed(private))
        except InputError:
            continue
        assert not found.headline, (i, bad[max(0, i - 20) : i + 20])


def test_another_policy_file_is_not_in_the_tree(given, private):
    """The blob must be that of the file byte for byte; another line end is another file."""
    for policy in (POLICY + b"\n", b"else"):
        found = shown(given, allowed(private), policy=policy)
        assert found.doubts == ("Of the commit: its tree does not hold this policy file.",)
    found = shown(given, allowed(private), policy=POLICY.replace(b"\n", b"\r\n"))
    assert found.headline == ""
    assert "with other line ends, which is another file" in found.doubts[0]
    assert "not given" in shown(given, allowed(private), policy=None).doubts[0]


@pytest.mark.parametrize("committed", [POLICY, POLICY.replace(b"\n", b"\r\n")], ids=["LF", "CRLF"])
def test_other_line_ends_than_the_commit_has_are_told_with_what_to_do(tmp_path, private, committed):
    """Git gives some machines other line ends than it stores: what was expected, what is there, and the command."""
    folder = repository(tmp_path / "r", private, policy=committed)
    mine = POLICY if b"\r" in committed else POLICY.replace(b"\n", b"\r\n")
    with pytest.raises(InputError, match="differs from the committed one in its line ends") as refused:
        commit_objects(folder, "HEAD", mine)
    assert refused.value.expected == "gates/policy.toml as it was committed, byte for byte"
    assert ("with LF where the commit has CRLF" in refused.value.got) == (b"\r" in committed)
    assert "git show HEAD:gates/policy.toml > committed.toml" in refused.value.fix
    assert commit_objects(folder, "HEAD", mine + b"\n")[1]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    """It is no fault of git's."""
    with pytest.raises(InputError) as refused:
        commit_objects(tmp_path / "absent", "HEAD", POLICY)
    assert refused.value.got == "no folder absent"


def test_policies_beside_the_policy_are_counted(tmp_path, private):
    """Fifty more of its kind in its folder, and what stands above and beside it: none was seen, and that is said."""
    folder = repository(tmp_path / "r", private)
    for i in range(50):
        (folder / "gates" / f"p{i:02}.TOML").write_text(f"limit = {i}")
    (folder / "gates" / "notes.md").write_text("")
    (folder / "gates" / "old").mkdir()
    (folder / "gates" / "old" / "x").write_text("")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "more")
    found = shown(commit_objects(folder, "HEAD", POLICY), allowed(private))
    assert found.headline.endswith(", one of 51 files with the suffix .toml in its folder")
    assert dict(found.facts)["beside the policy file"] == (
        "51 other files in the folder of the policy file, 50 of them with the suffix .toml, 1 file in the folders "
        "above it and 1 other folder with all that is in them; none of their content was seen"
    )
    assert "whether any is another policy is not known" in found.limits[0]
    assert "does not show that no other policy was committed" in found.limits[1]


def test_names_that_no_text_can_hold_are_counted_one_by_one():
    """Two names of bytes that are no text look alike, and are two files."""
    blob = object_id("blob", POLICY, 40)
    names = (b"\xfe.toml", b"\xff.toml", b"policy.toml")
    tree = b"".join(b"100644 " + n + b"\0" + bytes.fromhex(blob if n[:1] == b"p" else "ab" * 20) for n in names)
    found = beside(blob, object_id("tree", tree, 40), [tree])
    assert (found.files, found.alike, found.above, found.folders) == (2, 2, 0, 0)
    assert beside(blob, object_id("tree", tree, 40), []) is None


def test_words_of_others_are_printable(given, private):
    """Names of the commit and of the list keep their letters, of whatever alphabet, and lose what steers a terminal."""
    assert (
        said("Zo\u00eb \U00020000 \u202egnp.exe \x1b[2J\u2028x\u200b\u00a0") == "Zo\u00eb \U00020000 ?gnp.exe ?[2J?x??"
    )
    steered = given[0].replace(b"committer Jane Doe", "committer J\u202e\x1bane".encode(), 1)
    assert dict(shown((steered, given[1]), None).facts)["committer, as the commit states"].startswith("J??ane")
    signers = allowed(private, '"ja\u202ene@example.org"')
    found = shown(given, signers)
    assert "by ja?ne@example.org," in found.headline


def test_trees_that_were_edited_lead_nowhere(given, private):
    """A tree is known by its digest: one into which the blob was written, or one that is left out, leads nowhere."""
    forged = POLICY + b"limit = 0\n"
    new = bytes.fromhex(object_id("blob", forged, 40))
    old = bytes.fromhex(object_id("blob", POLICY, 40))
    trees = tuple(t.replace(old, new) for t in given[1])
    assert trees != given[1]
    assert not shown((given[0], trees), allowed(private), policy=forged).headline
    assert not shown((given[0], given[1][:1]), allowed(private)).headline
    assert not shown((given[0], ()), allowed(private)).headline


def test_a_link_is_no_policy(private):
    """A symbolic link whose text is the policy's has the same blob, and is no file."""
    blob = object_id("blob", POLICY, 40)
    link = b"120000 policy.toml\0" + bytes.fromhex(blob)
    plain = b"100644 policy.toml\0" + bytes.fromhex(blob)
    assert path_of(blob, object_id("tree", link, 40), [link]) is None
    assert path_of(blob, object_id("tree", plain, 40), [plain]) == "policy.toml"


def test_another_key_another_purpose_another_time_are_refused(tmp_path, given, private):
    """Only keys of the list, only for git, only while they count."""
    other = key(tmp_path, "other")
    assert "not among the allowed signers" in shown(given, allowed(other)).doubts[0]
    assert "no list of allowed signers" in shown(given, None).doubts[0]
    assert "may not sign" in shown(given, allowed(private, options='namespaces="file,mail"')).doubts[0]
    assert "may not sign" in shown(given, allowed(private, options='valid-after="20260106Z"')).doubts[0]
    assert "may not sign" in shown(given, allowed(private, options='valid-before="20260105100000Z"')).doubts[0]
    assert "may not sign" in shown(given, allowed(private, options='valid-before="20260105120000"')).doubts[0]
    assert "not among" in shown(given, allowed(private, options="cert-authority")).doubts[0]
    good = 'namespaces="file,git",valid-after="20260104Z",valid-before="20270101Z"'
    assert shown(given, allowed(private, options=good)).headline
    assert shown(given, b"# ours\n\n" + allowed(private, '"jane@example.org,qa@example.org"')).headline


def test_a_signature_for_another_purpose_is_refused(tmp_path, given, private):
    """A file that was signed with the same key, whose content is the commit's, is no signed commit."""
    commit = read_commit(given[0])
    (tmp_path / "content").write_bytes(commit.signed)
    for purpose, holds in (("file", False), ("git", True)):
        words = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(private), "-n", purpose, str(tmp_path / "content")]
        subprocess.run(words, check=True, capture_output=True)
        signature = (tmp_path / "content.sig").read_bytes()
        (tmp_path / "content.sig").unlink()
        head, _, message = commit.signed.partition(b"\n\n")
        armour = signature.strip().replace(b"\n", b"\n ")
        forged = head + b"\ngpgsig " + armour + b"\n\n" + message
        found = shown((forged, given[1]), allowed(private))
        assert bool(found.headline) is holds
        assert holds or "made for 'file', not for 'git'" in found.doubts[0]


def test_a_commit_that_is_not_before_the_run_shows_nothing(given, private):
    """Neither one of the same second nor one where the run's time is not known."""
    for began in (dt.datetime(2026, 1, 5, 10, tzinfo=dt.UTC), dt.datetime(2020, 1, 1, tzinfo=dt.UTC), None):
        assert "not earlier than the run" in shown(given, allowed(private), began=began).doubts[-1]


def test_signatures_of_openpgp_and_none_are_said_not_to_be_verified(given, private):
    """Only signatures of SSH are verified here."""
    head, _, rest = given[0].partition(b"gpgsig ")
    armour = b"-----BEGIN PGP SIGNATURE-----\n \n iQEz\n -----END PGP SIGNATURE-----"
    pgp = head + b"gpgsig " + armour + b"\n\n" + rest.partition(b"\n\n")[2]
    assert "OpenPGP" in shown((pgp, given[1]), allowed(private)).doubts[0]
    bare = head + b"\n" + rest.partition(b"\n\n")[2]
    assert "no signature" in shown((bare, given[1]), allowed(private)).doubts[0]


def test_what_git_would_not_write_is_an_error_of_the_input(given, private, tmp_path):
    """Two trees, two signatures, no time, no commit, a list that is none, a repository that is none."""
    data = given[0]
    line = data.partition(b"\n")[0] + b"\n"
    for bad in (b"", b"x", line + data, data.replace(b"committer ", b"x ", 1), data.replace(b"1767607200", b"soon")):
        with pytest.raises(InputError, match="commit cannot be read"):
            shown((bad, given[1]), allowed(private))
    for bad in (b"jane\n", b"jane ssh-ed25519 !!\n", b"jane spaces=1 " + allowed(private), b"a ssh-rsa AAAAB3Nz\n"):
        with pytest.raises(InputError, match="allowed signers cannot be read"):
            shown(given, bad)
    for place, revision in ((tmp_path, "HEAD"), (tmp_path / "absent", "HEAD")):
        with pytest.raises(InputError, match="cannot be taken out"):
            commit_objects(place, revision, POLICY)
    folder = repository(tmp_path / "r", private)
    for revision in ("absent", "--output=x", "HEAD:other.txt"):
        with pytest.raises(InputError, match="cannot be taken out"):
            commit_objects(folder, revision, POLICY)


def test_signatures_are_those_of_ssh_keygen(tmp_path, private):
    """Any message and any purpose that ssh-keygen signs is checked as ssh-keygen checks it."""
    signers = allowed_signers(allowed(private))
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    for message in (b"", b"x", b"\x00\xff" * 5000):
        (tmp_path / "m").write_bytes(message)
        words = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(private), "-n", "any", str(tmp_path / "m")]
        subprocess.run(words, check=True, capture_output=True)
        signature = (tmp_path / "m.sig").read_bytes()
        (tmp_path / "m.sig").unlink()
        assert check_signature(message, signature, signers, "any", now)[0] is not None
        assert check_signature(message + b"y", signature, signers, "any", now)[0] is None
        for i in range(30, len(signature) - 30, 11):
            bad = signature[:i] + bytes([signature[i] ^ 1]) + signature[i + 1 :]
            assert check_signature(message, bad, signers, "any", now)[0] is None


@pytest.mark.parametrize(
    "options",
    [
        'namespaces=""', 'namespaces=","', "namespaces", 'namespaces="git",namespaces="file"',
        'valid-before="20200101",valid-before="20300101"', "valid-after",
    ],
)  # fmt: skip
def test_a_list_that_ssh_keygen_refuses_is_refused(private, options):
    """An empty, a bare and a repeated option say nothing that could be counted on."""
    with pytest.raises(InputError, match="line 1 of the allowed signers"):
        allowed_signers(allowed(private, options=options))


def test_brackets_in_a_purpose_are_brackets(private):
    """ssh knows * and ? alone: a range of letters is no pattern of it."""
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    (ranged,) = allowed_signers(allowed(private, options='namespaces="[g]it"'))
    (starred,) = allowed_signers(allowed(private, options='namespaces="g*,!gif"'))
    assert not ranged.may_sign("git", now)
    assert starred.may_sign("git", now)
    assert not starred.may_sign("gif", now)


def test_no_signer_hides_behind_a_line_break_of_another_alphabet(private):
    """What follows one in a comment is comment."""
    line = allowed(private)
    for mark in ("\u2028", "\x0c", "\x85"):
        assert allowed_signers(b"# a note" + mark.encode() + line) == ()


def test_a_certificate_is_no_key(tmp_path, private):
    """It stands for an authority and a time that are not looked at: what it signs is not counted."""
    own = key(tmp_path, "own")
    public = str(own.with_suffix(".pub"))
    words = ["ssh-keygen", "-q", "-s", str(private), "-I", "x", "-V", "20190101:20200101", public]
    subprocess.run(words, check=True, capture_output=True)
    kind, blob = (tmp_path / "own-cert.pub").read_text().split()[:2]
    folder = repository(tmp_path / "r", tmp_path / "own-cert.pub")
    found = shown(commit_objects(folder, "HEAD", POLICY), f"jane@example.org {kind} {blob}\n".encode())
    assert found.headline == ""
    assert "does not check" in " ".join(found.doubts)


def test_a_repository_in_the_environment_is_not_read(tmp_path, private, monkeypatch):
    """GIT_DIR of whoever runs it names no other repository than the one that was given."""
    mine = repository(tmp_path / "mine", private)
    other = repository(tmp_path / "other", private, policy=b"other\n")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    assert commit_objects(mine, "HEAD", POLICY)[0] == commit_objects(mine, "HEAD", None)[0]
    monkeypatch.delenv("GIT_DIR")
    assert commit_objects(mine, "HEAD", POLICY)[0] != commit_objects(other, "HEAD", None)[0]
