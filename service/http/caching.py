"""HTTP caching: answers with guards, an ETag and how long a browser may keep them."""

from hashlib import sha256

from fastapi import Request, Response

HTML = "text/html; charset=utf-8"
FOR_A_SECOND = "public, max-age=1"
FOR_MINUTES = "public, max-age=300"
FOR_GOOD = "public, max-age=31536000, immutable"
GUARDS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def cacheable(
    request: Request, content: bytes, version: str, *, media_type: str, control: str
) -> Response:
    """Return the answer with this content under `control`, or 304 where the browser names its
    version.
    """
    tag = f'"{version}"'
    headers = {**GUARDS, "ETag": tag, "Cache-Control": control}
    known = {one.strip() for one in request.headers.get("if-none-match", "").split(",")}
    if tag in known or f"W/{tag}" in known:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=media_type)


def version_of(content: bytes) -> str:
    """Return a short name of some content."""
    return sha256(content).hexdigest()[:16]
