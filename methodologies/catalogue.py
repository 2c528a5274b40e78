"""All methodologies: finds them, checks them, picks one for an action and does the sum.

`load_catalogue` is the only reading of files, at start-up; it stops the program on a bad folder.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

from methodologies.branches import is_region
from methodologies.cases import Case
from methodologies.claims import kinds_in
from methodologies.contract import (
    Assessment,
    CatalogueBroken,
    DataInvalid,
    Edition,
    Refusal,
    UnknownActivity,
    UnknownEdition,
)
from methodologies.digest import WITHDRAWN, check_lock, read_lines
from methodologies.explanation import Explanation, explanation_of
from methodologies.factors import Factor
from methodologies.folder import PACKAGED, Version, published_in, read_folder
from methodologies.force import newest_begun, read_forces
from methodologies.register import Register, merged, read_register, refuse_doubtful
from methodologies.resolved import ResolvedVersion, resolve

RESOLVED_MAX = (
    20_000  # (activity or version, region, day) kept resolved; at the limit all are forgotten
)


def load_catalogue(*folders: Path) -> "Catalogue":
    """Read, check and hold every methodology of the folders; without any, the packaged ones.

    CatalogueBroken: with file, line and reason, at the first thing that is not fit for use.
    """
    versions: dict[str, Version] = {}
    registers = []
    for folder in folders or (PACKAGED,):
        try:
            found, register = _read(folder)
        except CatalogueBroken as broken:
            if len(folders) < 2:
                raise
            file = f"{folder}/{broken.file}"  # of many folders, which one
            raise CatalogueBroken(file, broken.line, broken.reason, broken.rule) from broken
        registers.append(register)
        for version in found:
            reference = version.edition.reference
            if reference in versions:
                raise CatalogueBroken(
                    str(folder), 1, f"{reference} is there twice", "id-and-version-once"
                )
            versions[reference] = version
    catalogue = Catalogue(tuple(versions.values()), merged(registers))
    refuse_doubtful(catalogue.register, catalogue.factors_used())
    return catalogue


def _read(folder: Path) -> tuple[list[Version], Register]:
    """Read one folder: its versions with their days and withdrawals, and its register."""
    found = read_folder(folder)
    check_lock(folder, published_in(found))
    forces = read_forces(folder, found)
    withdrawn = read_lines(folder / WITHDRAWN)
    for reference in withdrawn.keys() - {one.edition.reference for one in found}:
        line = withdrawn[reference][0]
        raise CatalogueBroken(WITHDRAWN, line, f"there is no {reference} to withdraw")
    versions = []
    for version in found:
        edition = version.edition
        if edition.reference in forces:
            edition = replace(edition, in_force_from=forces[edition.reference])
        if edition.reference in withdrawn:
            edition = replace(edition, status="withdrawn")
        versions.append(replace(version, edition=edition))
    return versions, read_register(folder)


class Catalogue:
    """The methodologies of this program. Answers depend on the arguments and the folders only."""

    def __init__(self, versions: tuple[Version, ...], register: Register) -> None:
        self.register = register
        self._versions = {one.edition.reference: one for one in versions}
        self._usable = _usable(versions)
        self._resolved: dict[tuple[str, str | None, date], ResolvedVersion] = {}
        self.activities = frozenset(self._usable)
        self.claim_kinds = kinds_in(one for version in versions for one in version.inputs)

    def assess(
        self,
        activity: str,
        *,
        region: str | None,
        day: date,
        level: str,
        data: Mapping[str, object],
    ) -> Assessment | Refusal:
        """The estimated avoided emissions of one action, by the version in force on its day.

        `day` is the person's local day; `region` an ISO 3166-1 or 3166-2 code; `level` L0 to L4;
        `data` the event's data without the region.
        UnknownActivity: nothing is published for it. DataInvalid: region, level or data cannot be
        read.
        """
        resolved = self._resolved.get((activity, region, day))
        if resolved is None:
            resolved = self._resolve(activity, region, day)
        return resolved.assess(level, data)

    def assess_under(
        self,
        reference: str,
        *,
        region: str | None,
        day: date,
        level: str,
        data: Mapping[str, object],
    ) -> Assessment | Refusal:
        """The same under a version by name, whatever its status: to restate, or to compare.

        UnknownEdition: there is none. DataInvalid: as `assess`.
        """
        resolved = self._resolved.get((reference, region, day))
        if resolved is None:
            version = self._version(*_parts(reference))
            resolved = self._keep((reference, region, day), resolve(version, _region(region), day))
        return resolved.assess(level, data)

    def explain(
        self,
        activity: str,
        *,
        region: str | None,
        day: date,
        level: str,
        data: Mapping[str, object],
        version: str | None,
    ) -> Explanation:
        """The same sum with everything that went into it, for a receipt.

        `version` None: the version that `assess` uses; else that one, also if it is a draft or
        withdrawn: "1.0.0" of the activity's methodology, or "id@1.0.0" of any.
        Errors as `assess`; UnknownEdition: there is no such version of this activity.
        """
        if version is None:
            resolved = self._resolve(activity, region, day)
        else:
            id_, _, number = version.rpartition("@")
            chosen = self._version(id_ or self._choose(activity, day).edition.id, number)
            resolved = resolve(chosen, _region(region), day)
        return explanation_of(resolved, level=level, data=data)

    @property
    def resolved_kept(self) -> int:
        """The number of resolved versions that are kept; never more than `RESOLVED_MAX`."""
        return len(self._resolved)

    def editions(self) -> tuple[Edition, ...]:
        """Return every version, of every status, sorted by id and version."""
        return tuple(one.edition for one in sorted(self._versions.values(), key=_age))

    def edition(self, id_: str, version: str) -> Edition:
        """Return one version by id and number. UnknownEdition: there is none."""
        return self._version(id_, version).edition

    def factors(
        self, *, id_: str | None, region: str | None, on: date | None
    ) -> tuple[Factor, ...]:
        """Return the factors of all versions, each value once, sorted by id and day.

        Each argument that is not None leaves only factors that match it.
        """
        found = {
            (factor.id, factor.valid_from, factor.value): factor
            for version in self._versions.values()
            for values in version.factors.values()
            for factor in values
            if (id_ is None or factor.id == id_)
            and (region is None or factor.region == region)
            and (on is None or factor.holds_on(on))
        }
        return tuple(factor for _, factor in sorted(found.items()))

    def factors_used(self) -> dict[str, tuple[Factor, ...]]:
        """Return, by factor id, the values that published versions carry, one for each version."""
        found: dict[str, tuple[Factor, ...]] = {}
        for version in self._versions.values():
            if version.edition.status == "published":
                for id_, values in version.factors.items():
                    found[id_] = (*found.get(id_, ()), *values)
        return found

    def factors_of(self, id_: str, version: str) -> tuple[Factor, ...]:
        """Return the values that a version carries, in its order. UnknownEdition: there is none."""
        return tuple(one for some in self._version(id_, version).factors.values() for one in some)

    def cases(self, id_: str, version: str) -> tuple[Case, ...]:
        """Return the worked cases of a version. UnknownEdition: there is none."""
        return self._version(id_, version).cases

    def _resolve(self, activity: str, region: str | None, day: date) -> ResolvedVersion:
        chosen = self._choose(activity, day)
        resolved = resolve(chosen, _region(region), day)
        edition = chosen.edition
        if edition.status == "withdrawn":
            withdrawn = f"{edition.reference} is withdrawn and takes no new actions"
            resolved.refusal = Refusal("no_methodology", withdrawn)
        elif resolved.refusal is None and day < edition.in_force_from:
            begins = f"{edition.reference} is in force from {edition.in_force_from}, not on {day}"
            resolved.refusal = Refusal("no_methodology", begins)
        return self._keep((activity, region, day), resolved)

    def _keep(
        self, key: tuple[str, str | None, date], resolved: ResolvedVersion
    ) -> ResolvedVersion:
        if len(self._resolved) >= RESOLVED_MAX:
            self._resolved.clear()
        self._resolved[key] = resolved
        return resolved

    def _choose(self, activity: str, day: date) -> Version:
        usable = self._usable.get(activity)
        if usable is None:
            raise UnknownActivity(activity, self.activities)
        return newest_begun(usable, day)

    def _version(self, id_: str, version: str) -> Version:
        found = self._versions.get(f"{id_}@{version}")
        if found is None:
            raise UnknownEdition(id_, version)
        return found


def _usable(versions: tuple[Version, ...]) -> dict[str, tuple[Version, ...]]:
    """Return the versions that may assess an activity, by activity, the newest first.

    Those are the published ones; where all are withdrawn, the newest of these.

    CatalogueBroken: two methodologies are about the same activity.
    """
    found: dict[str, tuple[Version, ...]] = {}
    for status in ("withdrawn", "published"):
        for one in sorted(versions, key=_age):
            edition = one.edition
            if edition.status != status:
                continue
            others = found.get(edition.activity, ())
            if others and others[0].edition.id != edition.id:
                raise CatalogueBroken(
                    edition.reference,
                    1,
                    f"{others[0].edition.reference} is about the same activity",
                )
            kept = (other for other in others if other.edition.status == "published")
            found[edition.activity] = (one, *kept)
    return found


def _region(region: str | None) -> str:
    """Return the region that an event states.

    DataInvalid: it states none, or one without the form of an ISO 3166 code; none is assumed.
    """
    if region is None or not is_region(region):
        raise DataInvalid(
            ("region", "is required: an ISO 3166-1 or 3166-2 code such as CN or CN-ZJ")
        )
    return region


def _parts(reference: str) -> tuple[str, str]:
    id_, _, version = reference.partition("@")
    return id_, version


def _age(version: Version) -> tuple[str, tuple[int, ...]]:
    """Return the key by which versions are sorted: by id, older ones first."""
    return version.edition.id, tuple(int(part) for part in version.edition.version.split("."))
