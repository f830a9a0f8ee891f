"""What hypothesis makes of session ids, tokens, hosts, carriers and baggage:

good ones, and all that may arrive instead.
"""

from __future__ import annotations

from hypothesis import strategies as st

BASE_36 = "0123456789abcdefghijklmnopqrstuvwxyz"
BASE_58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
HEADERS = (
    "x-session-id",
    "x-openreplay-sessiontoken",
    "x-openreplay-session-token",
    "openreplaysession.id",
)


def base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = BASE_36[digit] + digits
    return digits or "0"


numbers = st.integers(1, 2**64 - 1)
session_ids = numbers.map(str)
signatures = st.text(BASE_58, min_size=40, max_size=64)


@st.composite
def tokens(draw: st.DrawFn, numbers: st.SearchStrategy[int] = numbers) -> str:
    """Tokens as OpenReplay signs them, of three parts (until 1.8) or four."""
    middle = [base36(draw(st.integers(0, 2**40)))]
    if draw(st.booleans()):
        middle.insert(0, draw(st.sampled_from(("", "-"))) + base36(draw(st.integers(0, 2**20))))
    return ".".join([base36(draw(numbers)), *middle, draw(signatures)])


# Lone surrogates and control characters included: a carrier may hold anything.
any_text = st.text(st.characters(), max_size=60)
near_misses = st.one_of(
    session_ids.map(lambda text: text + "\n"),
    session_ids.map(lambda text: "\r\n" + text),
    session_ids.map(lambda text: text + "\r\nX-Evil: y"),
    session_ids.map(lambda text: "0" + text),
    tokens().map(str.upper),
    tokens().map(lambda text: text + "."),
    st.integers(2**64, 10**25).map(str),
    st.text("0123456789.,- \t", max_size=30),
    st.text("٠١٢٣٤٥٦٧٨٩", min_size=1, max_size=20),
)
texts = st.one_of(session_ids, tokens(), near_misses, any_text)
objects = st.one_of(
    texts,
    st.binary(max_size=60),
    st.none(),
    st.integers(),
    st.floats(),
    st.lists(texts, max_size=3),
)

percent_encoded = texts.map(
    lambda text: "".join(f"%{byte:02x}" for byte in text.encode("utf-8", "surrogatepass"))
)
baggage_headers = st.one_of(
    any_text,
    st.lists(
        st.tuples(
            st.sampled_from(("session.id", "session%2Eid", " session.id ", "tenant", "")),
            st.one_of(texts, percent_encoded),
        ),
        max_size=4,
    ).map(lambda pairs: ",".join(f"{key}={value}" for key, value in pairs)),
)
cookies = st.one_of(any_text, texts.map(lambda text: f"theme=dark; asayer_session_id={text}; x=1"))


@st.composite
def carriers(draw: st.DrawFn) -> dict[str, str]:
    """Header names, each with values, spelled in any case."""
    names = st.one_of(st.sampled_from((*HEADERS, "sec-fetch-mode", "accept")), any_text)
    headers = draw(st.dictionaries(names, texts, max_size=5))
    headers |= {"baggage": draw(baggage_headers)} if draw(st.booleans()) else {}
    headers |= {"cookie": draw(cookies)} if draw(st.booleans()) else {}
    return {
        draw(st.sampled_from((name, name.title(), name.upper()))): value
        for name, value in headers.items()
    }


labels = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=12)
names = st.lists(labels, min_size=1, max_size=4).map(".".join)
addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
