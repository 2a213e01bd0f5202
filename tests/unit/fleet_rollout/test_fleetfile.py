"""fleet.yaml: what is wrong is said before anything is done, by file, place and remedy."""

import re
from pathlib import Path

import pytest

from pgnb.core.errors import ParameterError
from pgnb.fleet import fleetfile
from pgnb.fleet.fleetfile import Discovery, Target, Waves

GOOD = """
name: nightly
image: registry.example/pgnb:0.1.0
notebooks: ["00", "08"]
records: s3://records/production
targets:
  - {name: shop, namespace: databases, parameters: {primary_selector: app=shop}}
  - {namespace: bank}
"""


def read(tmp_path: Path, text: str) -> fleetfile.Fleet:
    path = tmp_path / "fleet.yaml"
    path.write_text(text)
    return fleetfile.read(path)


def test_what_is_not_given_has_a_default(tmp_path):
    fleet = read(tmp_path, GOOD)
    assert fleet.notebooks == ("00", "08")
    assert fleet.targets == (
        Target("shop", "databases", {"primary_selector": "app=shop"}),
        Target("bank", "bank", {}),
    )
    assert (fleet.service_account, fleet.retries, fleet.waves) == ("pgnb", 3, Waves((), 10, 0, False))
    assert fleet.discover is None


def test_waves_and_discovery_are_read(tmp_path):
    more = "waves: [1, 4]\nparallelism: 2\nhalt_after: 1\npause_between_waves: true\n"
    more += "discover: {namespaces: pgnb/fleet=production}\n"
    fleet = read(tmp_path, GOOD + more)
    assert fleet.waves == Waves((1, 4), 2, 1, True)
    assert fleet.discover == Discovery("pgnb/fleet=production", {})


def test_the_parameters_of_a_file_are_those_of_every_target(tmp_path):
    (tmp_path / "params.yaml").write_text("user: postgres\ndatabase: shop\n")
    fleet = read(tmp_path, GOOD + "parameters_file: params.yaml\nparameters: {database: bank}\n")
    assert fleet.parameters == {"user": "postgres", "database": "bank"}


@pytest.mark.parametrize(
    ("sizes", "count", "waves"),
    [
        ((), 7, (7,)),
        ((1, 4), 7, (1, 4, 2)),
        ((1, 4, 20), 100, (1, 4, 20, 20, 20, 20, 15)),
        ((5,), 3, (3,)),
        ((1, 1), 1, (1,)),
    ],
)
def test_the_last_size_repeats_until_all_targets_have_a_wave(sizes, count, waves):
    assert Waves(sizes).of(count) == waves


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("name: nightly", ""), "name must be given"),
        (("name: nightly", "name: Nightly"), "name: must be lower-case letters"),
        (("name: nightly", "nam: nightly"), "'nam' is not known.*Did you mean name"),
        (("s3://records/production", "records"), "records must be a URL.*records.*s3://BUCKET"),
        (('["00", "08"]', "[00, 08]"), "notebooks: must be texts.*Quote"),
        (('["00", "08"]', "00-05"), "notebooks must be a list"),
        (("{namespace: bank}", "bank"), "target 2: is not a mapping"),
        (("{namespace: bank}", "{name: bank, size: 3}"), "target 2: 'size' is not known"),
        (("{namespace: bank}", "{name: 'b/c'}"), "target 2: name: must be lower-case"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, change, message):
    with pytest.raises(ParameterError) as caught:
        read(tmp_path, GOOD.replace(*change))
    assert re.search(message, str(caught.value).replace("\n", " ")), caught.value


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("waves: [0]", "waves must be sizes"),
        ("waves: [true]", "waves must be sizes"),
        ("parallelism: 0", "parallelism must be 1 or more"),
        ("retries: true", "retries must be a whole number"),
        ("pod: {hostNetwork: true}", "pod cannot have hostNetwork"),
        ("discover: {}", "discover must say which namespaces"),
        ("schedule: '0 2 * * *'\nwaves: [1]", "a schedule and waves exclude each other"),
        ("time_zone: Asia/Tokyo", "time_zone is given without a schedule"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path, more, message):
    with pytest.raises(ParameterError, match=message):
        read(tmp_path, GOOD + more + "\n")


def test_a_fleet_without_targets_is_refused(tmp_path):
    with pytest.raises(ParameterError, match="names no targets"):
        read(tmp_path, GOOD[: GOOD.index("targets:")])


def test_two_targets_of_one_name_would_share_a_chain_of_records():
    targets = (Target("shop", "a"), Target("shop", "b"))
    with pytest.raises(ParameterError, match="two targets have the name shop") as caught:
        fleetfile.assert_distinct(targets)
    assert "shop in a, shop in b" in str(caught.value)
