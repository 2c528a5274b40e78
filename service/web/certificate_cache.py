"""PDFs of certificates that were made before: who asks again gets the same bytes."""

import asyncio
from collections import OrderedDict
from hashlib import sha256

from service.forest.schemas import CertificateView
from service.web.certificate_pdf import certificate_pdf

KEPT_MAX = 500  # about 11 kB each


class CertificateCache:
    """Makes PDFs one at a time, in a thread, and keeps those that were asked for last.

    A PDF is a fifth of a second of processor time, most of it for its font, and anybody may ask for
    one: however many do, other requests share the process with one of them.
    """

    def __init__(self, kept_max: int = KEPT_MAX) -> None:
        self._kept_max = kept_max
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()
        self._making = asyncio.Lock()

    async def pdf_of(self, view: CertificateView) -> bytes:
        """Return the PDF of what a certificate shows now.

        Another state of its lot is another PDF.
        """
        shown = sha256(view.model_dump_json().encode()).digest()
        if shown not in self._kept:
            async with self._making:
                if shown not in self._kept:  # whoever was before us may have made the same
                    self._kept[shown] = await asyncio.to_thread(certificate_pdf, view)
                    if len(self._kept) > self._kept_max:
                        self._kept.popitem(last=False)
        self._kept.move_to_end(shown)
        return self._kept[shown]
