"""Every error a caller can meet, in one tree. Nothing here knows about HTTP or arq.

* ServiceError              answered with its `code`, never retried by us
  + Malformed               cannot be parsed
    - BodyNotJson           not UTF-8, not JSON, or nested too deeply
    - HeaderMalformed       a header is missing or is not what it should be
  + Unauthenticated         we do not know who speaks
    - CredentialsMissing    no bearer token came with the request
    - KeyInvalid            an API key that is unknown, expired or revoked
    - TokenInvalid          a person's token that is expired, not ours or wrongly signed
    - SignatureHeaderMalformed  a header of a signed message is missing or malformed
    - SignatureInvalid      the message was not signed with a secret of this address
    - DeliveryTooOld        the signed time is too far from ours
  + Forbidden               we know who speaks, and it is not theirs
    - ScopeMissing          the key lacks a scope
    - SourceNotYours        the event names a source of somebody else
    - SubjectNotYours       a person acts for another person
    - LevelNotYours         an evidence level that this caller may not state
  + NotFound
    - ActionNotFound
    - ProjectNotFound
    - MethodologyNotFound
    - EndpointNotFound      no webhook endpoint of the caller has this id
    - DeliveryNotFound      no webhook delivery of the caller has this id
    - PageNotFound          no such address
  + MethodNotAllowed        the address is right, the verb is not
  + Conflict
    - EventConflict         same source, person and id, other content
    - ReversalConflict      the action was reversed before, for another reason
    - EndpointsFull         a partner has as many webhook endpoints as it may have
  + TooLarge
    - BodyTooLarge
    - BatchTooLarge
  + UnsupportedType         a content type that this address does not read
  + Invalid                 understood, and wrong
    - FieldsInvalid         one or more fields; `errors` has a JSON Pointer for each
    - ActivityUnknown       no methodology was ever published for this type
    - EventInFuture         the event's clock is too far ahead
    - CursorInvalid         a cursor that we did not hand out
    - IdempotencyKeyReused  the same key came with another body
    - ActionNotReversible   a refused or unclaimed action gave nothing that could be taken back
  + Unavailable             our capacity or an outage; `retry_after_s` says when to come back
    - LaneFull              too many events are waiting already
    - ShuttingDown          this process is draining
    - StreamsFull           too many listeners are connected to this process
    - DatabaseAway          PostgreSQL does not answer; nothing was recorded that was not answered
"""

from typing import ClassVar


class ServiceError(Exception):
    """Something to tell the caller: `detail` says what is wrong and what to do."""

    code: ClassVar[str] = "service-error"
    title: ClassVar[str] = "The request could not be done"

    def __init__(self, detail: str, errors: tuple[tuple[str, str], ...] = ()) -> None:
        """`errors` are pairs of a JSON Pointer into the request and what is wrong there."""
        super().__init__(detail)
        self.detail = detail
        self.errors = errors


class Malformed(ServiceError):
    """The request cannot be parsed. Send UTF-8 JSON as the API describes it."""

    code = "malformed"
    title = "The request cannot be parsed"


class BodyNotJson(Malformed):
    """The body is not valid JSON in UTF-8, or is nested too deeply. Nothing was recorded."""

    code = "body-not-json"
    title = "The body is not valid JSON"


class HeaderMalformed(Malformed):
    """A header is missing or malformed. In CloudEvents binary mode every attribute is a header."""

    code = "header-malformed"
    title = "A header is missing or malformed"


class Unauthenticated(ServiceError):
    """Send `Authorization: Bearer` with an API key or a person's token."""

    code = "unauthenticated"
    title = "Who are you?"


class CredentialsMissing(Unauthenticated):
    """No bearer token came with the request."""

    code = "credentials-missing"
    title = "Credentials are missing"


class KeyInvalid(Unauthenticated):
    """The API key is unknown, expired or revoked. Ask the operator for a new one."""

    code = "key-invalid"
    title = "The API key is not valid"


class TokenInvalid(Unauthenticated):
    """The person's token is expired, from another issuer, for another audience or badly signed."""

    code = "token-invalid"
    title = "The token is not valid"


class SignatureHeaderMalformed(Unauthenticated):
    """A signed message carries webhook-id, webhook-timestamp and webhook-signature."""

    code = "signature-header-malformed"
    title = "A header of the signature is missing or malformed"


class SignatureInvalid(Unauthenticated):
    """The message was not signed with a secret of this address over exactly these bytes."""

    code = "signature-invalid"
    title = "The signature is not valid"


class DeliveryTooOld(Unauthenticated):
    """The signed time is more than 5 minutes from ours. Sign each attempt anew."""

    code = "delivery-too-old"
    title = "The message was signed too long ago"


class Forbidden(ServiceError):
    """The caller is known and may not do this."""

    code = "forbidden"
    title = "Not yours"


class ScopeMissing(Forbidden):
    """The key lacks the scope that this address asks for."""

    code = "scope-missing"
    title = "The key lacks a scope"


class SourceNotYours(Forbidden):
    """A caller may only report under its own registered sources."""

    code = "source-not-yours"
    title = "The source belongs to somebody else"


class SubjectNotYours(Forbidden):
    """A person may only report and see themselves."""

    code = "subject-not-yours"
    title = "The subject is somebody else"


class LevelNotYours(Forbidden):
    """The evidence level is higher than this caller may state: L1 for people, L2 for partners."""

    code = "level-not-yours"
    title = "The evidence level is too high for this caller"


class NotFound(ServiceError):
    """There is nothing here that the caller may see."""

    code = "not-found"
    title = "Not found"


class ActionNotFound(NotFound):
    """No action has this id, or it belongs to somebody else."""

    code = "action-not-found"
    title = "No such action"


class ProjectNotFound(NotFound):
    """No project has this id."""

    code = "project-not-found"
    title = "No such project"


class MethodologyNotFound(NotFound):
    """No such methodology or version was published."""

    code = "methodology-not-found"
    title = "No such methodology"


class EndpointNotFound(NotFound):
    """No webhook endpoint of yours has this id. GET /v1/webhook-endpoints lists them."""

    code = "endpoint-not-found"
    title = "No such endpoint"


class DeliveryNotFound(NotFound):
    """No delivery to an endpoint of yours has this id. Old ones are kept for some weeks only."""

    code = "delivery-not-found"
    title = "No such delivery"


class PageNotFound(NotFound):
    """There is no such address. The addresses are listed under /docs."""

    code = "page-not-found"
    title = "No such address"


class MethodNotAllowed(ServiceError):
    """The address exists, but does not take this verb."""

    code = "method-not-allowed"
    title = "The address does not take this verb"


class Conflict(ServiceError):
    """The request contradicts what is recorded."""

    code = "conflict"
    title = "Contradicts what is recorded"


class EventConflict(Conflict):
    """An event with this source, person and id is recorded with other content. Use another id."""

    code = "event-conflict"
    title = "The event is recorded with other content"


class ReversalConflict(Conflict):
    """The action was reversed before, for another reason. An action is reversed once."""

    code = "reversal-conflict"
    title = "The action is already reversed"


class EndpointsFull(Conflict):
    """A partner may have 50 webhook endpoints. Delete one, or give an existing one more types."""

    code = "endpoints-full"
    title = "There are too many endpoints"


class TooLarge(ServiceError):
    """The request is larger than a named limit."""

    code = "too-large"
    title = "Too large"


class BodyTooLarge(TooLarge):
    """The body is larger than 4 MiB. Send several smaller batches."""

    code = "body-too-large"
    title = "The body is too large"


class BatchTooLarge(TooLarge):
    """A batch holds at most 1,000 events. Send several batches."""

    code = "batch-too-large"
    title = "The batch is too large"


class UnsupportedType(ServiceError):
    """The content type is not one that this address reads."""

    code = "unsupported-type"
    title = "The content type is not supported"


class Invalid(ServiceError):
    """Understood, and wrong."""

    code = "invalid"
    title = "Understood, and wrong"


class FieldsInvalid(Invalid):
    """One or more fields are wrong; `errors` names each by a JSON Pointer."""

    code = "fields-invalid"
    title = "Fields are invalid"


class ActivityUnknown(Invalid):
    """No methodology was ever published for this type. GET /v1/methodologies lists them."""

    code = "activity-unknown"
    title = "Nobody knows this activity"


class EventInFuture(Invalid):
    """The event's time is more than 5 minutes ahead of ours. Check the sender's clock."""

    code = "event-in-future"
    title = "The event is in the future"


class CursorInvalid(Invalid):
    """The cursor is not one that this list handed out. Start again without it."""

    code = "cursor-invalid"
    title = "The cursor is not valid"


class IdempotencyKeyReused(Invalid):
    """The same Idempotency-Key came with another request. Use a new key for a new request."""

    code = "idempotency-key-reused"
    title = "The idempotency key was used for another request"


class ActionNotReversible(Invalid):
    """The action was refused or already claimed: it gave nothing that could be taken back."""

    code = "action-not-reversible"
    title = "There is nothing to reverse"


class Unavailable(ServiceError):
    """Our capacity or an outage. Nothing that was not answered is lost: send it again."""

    code = "unavailable"
    title = "Not available at the moment"
    retry_after_s: ClassVar[int] = 1


class LaneFull(Unavailable):
    """Too many events are waiting. Send the same request again after `Retry-After` seconds."""

    code = "lane-full"
    title = "Too many events are waiting"


class ShuttingDown(Unavailable):
    """This process is stopping. Send the same request again; another one answers."""

    code = "shutting-down"
    title = "This process is stopping"


class StreamsFull(Unavailable):
    """Too many listeners are connected to this process. Try again later, or read /v1/totals."""

    code = "streams-full"
    title = "Too many listeners"
    retry_after_s = 10


class DatabaseAway(Unavailable):
    """PostgreSQL does not answer. Send the same request again; repeats are counted once."""

    code = "database-away"
    title = "The database does not answer"
    retry_after_s = 2
