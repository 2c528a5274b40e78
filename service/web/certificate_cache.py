"""PDFs of certificates that were made before: who asks again gets the same bytes."""

import asyncio
from collections import OrderedDict
from hashlib import sha256

from service.errors import CertificatesBusy
from service.forest.schemas import CertificateView
from service.web.certificate_pdf import certificate_pdf

KEPT_MAX = 500  # about 11 kB each
WAITING_MAX = 20  # for the one that is being made


class CertificateCache:
    """Makes PDFs one at a time, in a thread, and keeps those that were asked for last.

    A PDF is a fifth of a second of processor time, most of it for its font, and anybody may ask for
    one: however many do, other requests share the process with one of them.
    """

    def __init__(self, kept_max: int = KEPT_MAX) -> None:
        self._kept_max = kept_max
        self._kept: OrderedDict[str, tuple[bytes, bytes]] = OrderedDict()
        self._making = asyncio.Lock()
        self._waiting = 0

    async def pdf_of(self, view: CertificateView) -> bytes:
        """Return the PDF of what a certificate shows now. Raises CertificatesBusy.

        Each certificate has one PDF at a time; another state of its lot takes the place of it.
        """
        shown = sha256(view.model_dump_json().encode()).digest()
        found = self._known(view.serial, shown)
        if found is not None:
            return found
        if self._waiting >= WAITING_MAX:
            raise CertificatesBusy("Many certificates are being made; ask again shortly.")
        self._waiting += 1
        try:
            async with self._making:
                found = self._known(view.serial, shown)  # whoever was before us may have made it
                if found is None:
                    found = await asyncio.to_thread(certificate_pdf, view)
                    self._keep(view.serial, shown, found)
        finally:
            self._waiting -= 1
        return found

    def _known(self, serial: str, shown: bytes) -> bytes | None:
        kept = self._kept.get(serial)
        if kept is None or kept[0] != shown:
            return None
        self._kept.move_to_end(serial)
        return kept[1]

    def _keep(self, serial: str, shown: bytes, content: bytes) -> None:
        self._kept[serial] = (shown, content)
        self._kept.move_to_end(serial)
        if len(self._kept) > self._kept_max:
            self._kept.popitem(last=False)
