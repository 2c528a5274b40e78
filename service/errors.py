"""Every error a caller can meet, in one tree. Nothing here knows about HTTP or arq.

* ServiceError              answered with its `code`, never retried by us
  + Malformed               cannot be parsed
    - BodyNotJson           not UTF-8, not JSON, or nested too deeply
    - HeaderMalformed       a header is missing or is not what it should be
    - RequestMalformed      not HTTP/1.1, or more requests ahead of answers than are taken
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
    - PersonNotYours        a partner with customers of its own acts for a person
    - SecondPersonNeeded    whoever proposed a change does not confirm it
    - NotReporter           somebody else reported the action
    - LevelNotYours         an evidence level that this caller may not state
    - KeyNotYours           a key that is of the other mode, or can do more than the caller's
    - MetricsNotYours       the metrics are for this machine, or for whoever has their token
    - TokenNeeded           a consent, which only the person's own token gives
    - TestKeyNeeded         this is about test data, and the key is a live one
    - ConnectorUnconfirmed  the key that the connector was made with is gone, or may not report
    - ConnectorDisabled     the connector or its partner is disabled
  + NotFound
    - ActionNotFound
    - ProjectNotFound
    - EarningNotFound       nothing was earned for this activity on this day
    - FriendNotFound        no such friendship, or it has ended
    - SpeciesNotFound
    - LotNotFound
    - OrderNotFound
    - CertificateNotFound
    - PoolNotFound
    - MethodologyNotFound
    - HoldNotFound
    - RunNotFound           no restatement and no shadow run has this id
    - PartnerNotFound
    - KeyNotFound
    - ProposalNotFound
    - LinkCodeNotFound      no such code, or it has ended
    - LinkNotFound          no such link of this person, or it has ended
    - ConnectorNotFound
    - EndpointNotFound      no webhook endpoint of the caller has this id
    - DeliveryNotFound      no such webhook delivery, or its payload is not in quarantine any more
    - PageNotFound          no such address
  + Gone                    it was there, and is forgotten for good
    - ActionErased          its person asked to be forgotten: only anonymous sums are left
    - PersonErased          an event of before its person was erased, or their former account
  + MethodNotAllowed        the address is right, the verb is not
  + Conflict
    - EventConflict         same source, person and id, other content
    - ReversalConflict      the action was reversed before, for another reason
    - TransferConflict      the action's carbon went to another scheme before
    - EarningNotRipe        too early to collect
    - EarningLapsed         too late to collect
    - WateredEnough         this friend had the day's gifts already
    - FriendShielded        nobody may take from this person now
    - NothingToTake         not ripe, collected already, or the friend's share is used up
    - ShieldLongEnough      the shield reaches as far ahead as the policy lets it
    - FriendsFull           no room for another friend
    - RunUnderWay           another process is restating, or at this run
    - RunUnfinished         an earlier restatement has to be finished first
    - NotEnoughPoints       the balance does not cover what this costs
    - PointsPending         the account is new: points of its actions cannot be spent yet
    - SoldOut               no tree of the project is left
    - OutOfSeason           the project has no season at the moment, or is closed
    - OrderPlanted          the order's tree is planted and stays
    - PoolEnded             the pool has its tree already, or was dissolved
    - DailyLimitReached     a pool takes only so many points from one person a day
    - NameTaken             there is a species or project of this id already
    - LotNotFundable        the lot takes no more trees already, or has none
    - MessageConflict       the same webhook-id came with another body
    - PartnerExists         the partner's id is taken
    - SourceTaken           the source belongs to another partner
    - ProposalEnded         it was confirmed or rejected, or has expired
    - CustomerLinked        the customer is linked to another person
    - KeyRotating           two keys of a rotation are live already
    - EndpointsFull         a partner has as many webhook endpoints as it may have
  + TooLarge
    - BodyTooLarge
    - BatchTooLarge
  + HeadTooLarge            the request line and headers are larger than 16 KiB
  + RequestTooSlow          the head or the body did not arrive in time
  + HostNotServed           the request names a host that this service is not
  + UnsupportedType         a content type that this address does not read
  + Invalid                 understood, and wrong
    - FieldsInvalid         one or more fields; `errors` has a JSON Pointer for each
    - ActivityUnknown       no methodology was ever published for this type
    - EventInFuture         the event's clock is too far ahead
    - CursorInvalid         a cursor that we did not hand out
    - IdempotencyKeyReused  the same key came with another body
    - RestatementRefused    a rule of accounting forbids it; the text begins with the rule
    - ActionNotReversible   a refused or unclaimed action gave nothing that could be taken back
    - ActionNotTransferable an action that gave no carbon has none to transfer
    - PayloadNotMapped      a connector's expressions do not fit the payload that came in
  + TooMany                 your quota; `retry_after_s` says when there is more
    - QuotaExceeded         this caller asked for more than its quota of a minute
    - AddressConnectionsFull  too many connections of this address are open
    - AddressStreamsFull    too many streams of this address are open
  + Unavailable             our capacity or an outage; `retry_after_s` says when to come back
    - LaneFull              too many events are waiting already
    - ShuttingDown          this process is draining
    - StreamsFull           too many listeners are connected to this process
    - IssuerAway            the issuer of people's tokens does not give its keys
    - CertificatesBusy      many certificates are being made as PDF
    - MappersBusy           too many heavy messages to connectors are being read
    - MappingTooSlow        a connector's expressions took too long over a message
    - UnprovenBodiesFull    too many large messages arrive that no key vouches for
    - RouteStale            a customer is being linked just now; nothing was recorded
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


class RequestMalformed(Malformed):
    """What came in is not HTTP/1.1, or many requests came before the first one was answered. Send
    one request at a time on a connection, and wait for its answer."""

    code = "request-malformed"
    title = "The request is not HTTP"


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


class PersonNotYours(Forbidden):
    """Only the person's own token, or a key of the programme's app operator, acts for a person.

    A partner with customers of its own reports about them; `POST /v1/links` links one to a person.
    """

    code = "person-not-yours"
    title = "A partner acts for nobody"


class SecondPersonNeeded(Forbidden):
    """A change that needs two is confirmed by another person or key than the one that proposed it,
    and by none of the same lineage."""

    code = "second-person-needed"
    title = "Somebody else has to confirm it"


class NotReporter(Forbidden):
    """An action is undone, or given to another scheme, by the partner that reported it alone."""

    code = "not-reporter"
    title = "Somebody else reported the action"


class LevelNotYours(Forbidden):
    """The evidence level is higher than a caller may state: L0 for people, L1 for partners."""

    code = "level-not-yours"
    title = "The evidence level is too high for this caller"


class KeyNotYours(Forbidden):
    """A key changes keys of its own mode (live or test) that can do no more than it can itself."""

    code = "key-not-yours"
    title = "The key is not yours to change"


class TokenNeeded(Forbidden):
    """A consent is the person's own: send it with their token, not with an API key."""

    code = "token-needed"
    title = "Only the person consents"


class TestKeyNeeded(Forbidden):
    """Only test data can be wiped, and only with a test key: sx_test_...."""

    __test__ = False
    code = "test-key-needed"
    title = "A test key is needed"


class ConnectorUnconfirmed(Forbidden):
    """No live key that may report answers for the connector: another key of the partner confirms
    it, with POST /v1/connectors/{connector_id}/confirm or `saxaul partner confirm`."""

    code = "connector-unconfirmed"
    title = "No key answers for the connector"


class ConnectorDisabled(Forbidden):
    """The connector, or its partner, is disabled: nothing is taken until it is enabled."""

    code = "connector-disabled"
    title = "The connector is disabled"


class MetricsNotYours(Forbidden):
    """Metrics are shown to this machine alone, or to whoever sends SAXAUL_METRICS_TOKEN as bearer
    token."""

    code = "metrics-not-yours"
    title = "The metrics are not public"


class NotFound(ServiceError):
    """There is nothing here that the caller may see."""

    code = "not-found"
    title = "Not found"


class Gone(ServiceError):
    """It was there, and is forgotten for good."""

    code = "gone"
    title = "Forgotten for good"


class ActionErased(Gone):
    """Its person asked to be forgotten. What is left of the action are anonymous sums."""

    code = "action-erased"
    title = "The action was erased"


class PersonErased(Gone):
    """The person asked to be forgotten, and this is of before that. Do not send it again."""

    code = "person-erased"
    title = "The person was erased"


class ActionNotFound(NotFound):
    """No action has this id, or it belongs to somebody else."""

    code = "action-not-found"
    title = "No such action"


class ProjectNotFound(NotFound):
    """No project has this id."""

    code = "project-not-found"
    title = "No such project"


class EarningNotFound(NotFound):
    """Nothing was earned for this activity on this day. GET .../earnings lists what there is."""

    code = "earning-not-found"
    title = "No such earning"


class FriendNotFound(NotFound):
    """There is no such friendship, or it is not in the state that this needs."""

    code = "friend-not-found"
    title = "No such friend"


class SpeciesNotFound(NotFound):
    """No species has this id. GET /v1/admin/species lists them."""

    code = "species-not-found"
    title = "No such species"


class LotNotFound(NotFound):
    """No lot has this id. GET /v1/admin/lots lists them."""

    code = "lot-not-found"
    title = "No such lot"


class OrderNotFound(NotFound):
    """No order has this id, or it belongs to somebody else."""

    code = "order-not-found"
    title = "No such order"


class CertificateNotFound(NotFound):
    """No certificate has this serial. Its check characters tell a slip of the pen."""

    code = "certificate-not-found"
    title = "No such certificate"


class PoolNotFound(NotFound):
    """No pool has this id or code, or the person is not a member of it."""

    code = "pool-not-found"
    title = "No such pool"


class MethodologyNotFound(NotFound):
    """No such methodology or version was published."""

    code = "methodology-not-found"
    title = "No such methodology"


class HoldNotFound(NotFound):
    """No carbon of this partner, activity and day is held, or it was released already."""

    code = "hold-not-found"
    title = "There is no such hold"


class RunNotFound(NotFound):
    """No restatement and no shadow run has this id. GET /v1/methodology-runs lists them."""

    code = "run-not-found"
    title = "No such run"


class PartnerNotFound(NotFound):
    """No partner is registered under this id."""

    code = "partner-not-found"
    title = "No such partner"


class KeyNotFound(NotFound):
    """The partner has no key with this prefix that is not revoked or expired."""

    code = "key-not-found"
    title = "No such key"


class ProposalNotFound(NotFound):
    """No proposal has this id. GET /v1/proposals lists them."""

    code = "proposal-not-found"
    title = "No such proposal"


class LinkCodeNotFound(NotFound):
    """No link has this code, or its ten minutes are over. The partner asks for another one."""

    code = "link-code-not-found"
    title = "No such code"


class LinkNotFound(NotFound):
    """The person has no link of this id, or it has ended before."""

    code = "link-not-found"
    title = "No such link"


class ConnectorNotFound(NotFound):
    """No connector has this id, or it belongs to somebody else."""

    code = "connector-not-found"
    title = "No such connector"


class EndpointNotFound(NotFound):
    """No webhook endpoint of yours has this id. GET /v1/webhook-endpoints lists them."""

    code = "endpoint-not-found"
    title = "No such endpoint"


class DeliveryNotFound(NotFound):
    """No delivery of yours has this id, or it is not kept any more, or not in quarantine."""

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


class TransferConflict(Conflict):
    """The action's carbon went to another scheme, or under another reference, before."""

    code = "transfer-conflict"
    title = "The action was transferred elsewhere"


class EarningNotRipe(Conflict):
    """These points are not ripe yet. The problem says when they will be."""

    code = "earning-not-ripe"
    title = "The points are not ripe yet"


class EarningLapsed(Conflict):
    """These points were not collected in time and are gone."""

    code = "earning-lapsed"
    title = "The points have lapsed"


class WateredEnough(Conflict):
    """A friend can be watered a few times a day, as the policy says. Come back tomorrow."""

    code = "watered-enough"
    title = "This friend was watered enough today"


class FriendShielded(Conflict):
    """The friend's earnings are shielded for now: only the owner can collect them."""

    code = "friend-shielded"
    title = "A shield is up"


class NothingToTake(Conflict):
    """Nothing is ripe, the owner was faster, or you took your share of it before."""

    code = "nothing-to-take"
    title = "There is nothing to take"


class ShieldLongEnough(Conflict):
    """A shield reaches only so far ahead, as the policy says. Extend it later."""

    code = "shield-long-enough"
    title = "The shield is long enough"


class FriendsFull(Conflict):
    """A person has only so many friends and requests. Remove some first."""

    code = "friends-full"
    title = "There is no room for another friend"


class RunUnderWay(Conflict):
    """Another process is restating, or at this run. Wait for its end, or end it, and try again."""

    code = "run-under-way"
    title = "Another process is at it"


class RunUnfinished(Conflict):
    """An earlier restatement of this methodology was not finished. Give its command again first."""

    code = "run-unfinished"
    title = "An earlier restatement is not finished"


class NotEnoughPoints(Conflict):
    """The balance does not cover the price. Nothing was taken; `detail` says how many miss."""

    code = "not-enough-points"
    title = "Not enough points"


class PointsPending(Conflict):
    """The account is new: points of its actions wait. Nothing was taken; `detail` says until when.

    Points that were granted or given can be spent.
    """

    code = "points-pending"
    title = "The points are pending"


class SoldOut(Conflict):
    """Every tree of the project is sold. Nothing was taken. GET /v1/projects lists others."""

    code = "sold-out"
    title = "Sold out"


class OutOfSeason(Conflict):
    """The project's trees cannot be had today; `detail` says when. Nothing was taken."""

    code = "out-of-season"
    title = "Out of season"


class OrderPlanted(Conflict):
    """The order's tree is planted. It stays, and so do the points that were spent on it."""

    code = "order-planted"
    title = "The tree is planted"


class PoolEnded(Conflict):
    """The pool is complete or was dissolved: nobody joins, pours or leaves any more."""

    code = "pool-ended"
    title = "The pool has ended"


class DailyLimitReached(Conflict):
    """The pool takes only so many points from one person a day. Nothing was taken."""

    code = "daily-limit-reached"
    title = "The daily limit is reached"


class NameTaken(Conflict):
    """There is a species or project of this id already. Change it with PATCH, or choose another."""

    code = "name-taken"
    title = "The id is taken"


class LotNotFundable(Conflict):
    """Only a pledged lot with at least one tree can be funded and handed to the partner."""

    code = "lot-not-fundable"
    title = "The lot cannot be funded"


class MessageConflict(Conflict):
    """This webhook-id came before with another body. A new message needs a new id."""

    code = "message-conflict"
    title = "The message came before with another body"


class PartnerExists(Conflict):
    """A partner with this id is registered already."""

    code = "partner-exists"
    title = "The partner is registered already"


class SourceTaken(Conflict):
    """The source is registered for another partner. Choose another name."""

    code = "source-taken"
    title = "The source belongs to another partner"


class ProposalEnded(Conflict):
    """The proposal was confirmed or rejected, or has expired. Propose the change again."""

    code = "proposal-ended"
    title = "The proposal has ended"


class CustomerLinked(Conflict):
    """One customer is one person's: this one is linked to somebody else until they end the link."""

    code = "customer-linked"
    title = "The customer is linked already"


class KeyRotating(Conflict):
    """Two keys of a rotation are live already. Revoke the older one, or wait until it ends."""

    code = "key-rotating"
    title = "The key is being rotated already"


class EndpointsFull(Conflict):
    """A partner may have 50 webhook endpoints. Delete one, or give an existing one more types."""

    code = "endpoints-full"
    title = "There are too many endpoints"


class TooLarge(ServiceError):
    """The request is larger than a named limit."""

    code = "too-large"
    title = "Too large"


class BodyTooLarge(TooLarge):
    """The body is larger than SAXAUL_BODY_BYTES (4 MiB). Send several smaller batches."""

    code = "body-too-large"
    title = "The body is too large"


class BatchTooLarge(TooLarge):
    """A batch holds at most 1,000 events. Send several batches."""

    code = "batch-too-large"
    title = "The batch is too large"


class HeadTooLarge(ServiceError):
    """The request line and the headers together are larger than 16 KiB. Send fewer headers, or
    shorter ones."""

    code = "head-too-large"
    title = "The head of the request is too large"


class RequestTooSlow(ServiceError):
    """The head takes at most 10 seconds to arrive, the body at most 60. Send the same request
    again, a batch in smaller parts."""

    code = "request-too-slow"
    title = "The request took too long to arrive"


class HostNotServed(ServiceError):
    """The request names a host that this service does not answer for. Use the address that you were
    given; operators list names in SAXAUL_HOSTS."""

    code = "host-not-served"
    title = "This host is not served here"


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


class RestatementRefused(Invalid):
    """A rule of accounting forbids it; the text begins with the rule, and says what to do."""

    code = "restatement-refused"
    title = "A rule of accounting forbids it"


class ActionNotReversible(Invalid):
    """The action was refused or already claimed: it gave nothing that could be taken back."""

    code = "action-not-reversible"
    title = "There is nothing to reverse"


class ActionNotTransferable(Invalid):
    """The action gave no carbon or was reversed: another scheme cannot count it."""

    code = "action-not-transferable"
    title = "There is nothing to transfer"


class PayloadNotMapped(Invalid):
    """The connector's expressions do not fit this payload. It is kept in quarantine: mend the
    mapping, then replay it."""

    code = "payload-not-mapped"
    title = "The payload does not fit the connector"


class TooMany(ServiceError):
    """More than your quota. Nothing was recorded: send the same request again later."""

    code = "too-many"
    title = "Too many requests"
    retry_after_s: int = 1


class QuotaExceeded(TooMany):
    """This caller asked for more than its quota of a minute. `Retry-After` says when to go on."""

    code = "quota-exceeded"
    title = "The quota is used up"

    def __init__(self, cost: int, left: int, limit: int, retry_after_s: int) -> None:
        """Each request costs 1, and each event of a batch."""
        super().__init__(
            f"This costs {cost}, and {left} of your {limit} a minute are left. Send the same "
            f"request again in {retry_after_s} seconds"
            + (", in smaller batches." if cost > limit else ".")
        )
        self.retry_after_s = retry_after_s


class AddressConnectionsFull(TooMany):
    """Too many connections of your address are open. Use those that you have for more requests, or
    close some."""

    code = "address-connections-full"
    title = "Too many connections of one address"
    retry_after_s = 10


class AddressStreamsFull(TooMany):
    """Too many streams of your address are open. Close one, or read /v1/totals."""

    code = "address-streams-full"
    title = "Too many streams of one address"
    retry_after_s = 10


class Unavailable(ServiceError):
    """Our capacity or an outage. Nothing that was not answered is lost: send it again."""

    code = "unavailable"
    title = "Not available at the moment"
    retry_after_s: int = 1


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


class IssuerAway(Unavailable):
    """People's tokens cannot be checked: their issuer does not give its keys. Send the same request
    again after `Retry-After` seconds; the token may be good."""

    code = "issuer-away"
    title = "The issuer of tokens does not answer"

    def __init__(self, detail: str, retry_after_s: int) -> None:
        """`retry_after_s` says when the issuer is asked again."""
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class CertificatesBusy(Unavailable):
    """Many certificates are being made as PDF. Ask again shortly, or read the page."""

    code = "certificates-busy"
    title = "Many certificates are being made"
    retry_after_s = 5


class MappersBusy(Unavailable):
    """Many heavy messages to connectors are being read. Send the same message again shortly."""

    code = "mappers-busy"
    title = "Too many heavy messages"


class MappingTooSlow(Unavailable):
    """The connector's expressions took too long over this message, and nothing was recorded. Make
    them simpler, or send fewer items at a time; then send the message again."""

    code = "mapping-too-slow"
    title = "The message took too long to read"
    retry_after_s = 30


class UnprovenBodiesFull(Unavailable):
    """Too many large signed messages are arriving at once. Send the same message again shortly."""

    code = "unproven-bodies-full"
    title = "Too many large messages are arriving"


class RouteStale(Unavailable):
    """The customer is being linked to a person, or a link ends, just now. Send it again."""

    code = "route-stale"
    title = "The customer's account is changing"


class DatabaseAway(Unavailable):
    """PostgreSQL does not answer. Send the same request again; repeats are counted once."""

    code = "database-away"
    title = "The database does not answer"
    retry_after_s = 2
