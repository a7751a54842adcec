"""The bundles that are live, as Lambda gives them back."""

from .account import AwsAccount
from .associations import live
from .baked import Baked, baked_into
from .observed import Observed
from .outcome import Stuck
from .surroundings import Surroundings


class Deployed:
    """The bundles of published versions, each read once."""

    def __init__(self, account: AwsAccount, around: Surroundings) -> None:
        self._account = account
        self._around = around
        self._read: dict[int, Baked | None] = {}

    def __getitem__(self, version: int) -> Baked | None:
        if version not in self._read:
            try:
                content = self._around.download(self._account.address(version))
            except OSError as lost:
                raise Stuck(
                    f"the bundle of version {version} cannot be read: {lost}."
                    " Its key has to be compared with the new one. Repeat the command."
                ) from lost
            self._read[version] = baked_into(content)
        return self._read[version]

    def live(self, observed: Observed, name: str) -> dict[int, Baked | None]:
        """By version, those that the distribution runs."""
        return {n: self[n] for n in live(observed.distribution.config, name)}
