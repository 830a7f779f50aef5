"""Who may say by what a model is judged, and where those files may lie."""

from __future__ import annotations

import pytest

from audit.errors import ConfigError, InputError
from audit.registry import order_for, read_map
from audit.registry._orders import held_against

MAP = """
[models.toy]
config = "a/audit.toml"
policy = "a/policy.toml"
alias = "champion"
"""


@pytest.fixture
def root(tmp_path):
    """A folder with files, and one beside it that nothing may reach."""
    (tmp_path / "root" / "a").mkdir(parents=True)
    for name in ("root/a/audit.toml", "root/a/policy.toml", "root/b.toml", "outside.toml"):
        (tmp_path / name).write_text("")
    (tmp_path / "root" / "link.toml").symlink_to(tmp_path / "outside.toml")
    return tmp_path / "root"


def test_tags_name_the_files_and_options_override_them(root):
    """Each of the three by itself."""
    tags = {"audit.config": "a/audit.toml", "audit.policy": "a/policy.toml", "audit.alias": "champion"}
    order = order_for("toy", tags, root)
    assert (order.config.name, order.policy.name, order.alias) == ("audit.toml", "policy.toml", "champion")
    order = order_for("toy", tags, root, config="b.toml", alias="next")
    assert (order.config.name, order.policy.name, order.alias) == ("b.toml", "policy.toml", "next")
    assert not order.trusted


@pytest.mark.parametrize("path", ["../outside.toml", "/etc/passwd", "a/../../outside.toml", "link.toml"])
@pytest.mark.parametrize("key", ["audit.config", "audit.policy"])
def test_a_path_that_leaves_the_folder_is_refused(root, path, key):
    """Also through a link."""
    tags = {"audit.config": "b.toml", key: path}
    with pytest.raises(InputError, match="outside of the folder"):
        order_for("toy", tags, root)


@pytest.mark.parametrize("path", ["", "a", "none.toml", "a\0b", "x" * 5000])
def test_a_path_that_is_no_file_is_an_error(root, path):
    """A folder, an absent file, and names that no file can have."""
    with pytest.raises(InputError):
        order_for("toy", {"audit.config": path}, root)


def test_the_map_gives_each_model_its_files(root, tmp_path):
    """Trust is given by name, and by default to none."""
    (tmp_path / "map.toml").write_text(MAP + MAP.replace("toy", '"other model"') + "trust = true\n")
    orders = read_map(tmp_path / "map.toml", root)
    assert orders["toy"].config == (root / "a" / "audit.toml").resolve()
    assert (orders["toy"].alias, orders["toy"].trusted, orders["other model"].trusted) == ("champion", False, True)


@pytest.mark.parametrize(
    "text",
    ["", "models = 3", "[models]", "[models.toy]", "[[models", MAP.replace("policy", "polity"),
     MAP.replace('alias = "champion"', ""), MAP + 'trust = "yes"', MAP + "[more]\n", MAP.replace('"champion"', '""'),
     MAP.replace("a/policy.toml", "../outside.toml"), MAP.replace("a/policy.toml", "none.toml")],
)  # fmt: skip
def test_a_map_with_a_gap_is_refused(root, tmp_path, text):
    """Configuration, policy and alias are all the operator's to choose."""
    (tmp_path / "map.toml").write_text(text)
    with pytest.raises((ConfigError, InputError)):
        read_map(tmp_path / "map.toml", root)


def test_tags_may_only_agree_with_the_map(root, tmp_path):
    """A tag that differs changes nothing but a note; one that agrees says nothing."""
    (tmp_path / "map.toml").write_text(MAP)
    order = read_map(tmp_path / "map.toml", root)["toy"]
    agreeing = {"audit.config": "a/audit.toml", "audit.policy": "a/policy.toml", "audit.alias": "champion"}
    assert held_against(order, agreeing, root) == order
    found = held_against(order, {"audit.policy": "b.toml", "audit.alias": "next", "audit.config": "\0"}, root)
    assert (found.config, found.policy, found.alias) == (order.config, order.policy, order.alias)
    assert len(found.notes) == 3
    assert "audit.policy differs" in " ".join(found.notes)
