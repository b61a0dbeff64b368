"""
What may stand in the headers of a request: strategies for L{hypothesis}.
"""

from __future__ import annotations

from hypothesis import strategies as st

texts = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"))
values = texts.map(lambda text: text.strip(" ").encode("latin-1"))
"""What Twisted lets through: neither CR, LF nor NUL, nothing blank around it."""

hosts = st.one_of(
    values,
    st.ip_addresses().map(lambda ip: f"[{ip}]" if ip.version == 6 else str(ip)).map(str.encode),
    st.text("[]:.%@/?#\\0123456789abcflhost,;-_ ", max_size=20).map(str.encode),
    st.builds(
        lambda a, b, c: a + b + c,
        st.sampled_from([b"localhost", b"127.0.0.1", b"[::1]", b"evil.example"]),
        st.sampled_from([b"", b":", b"@", b":80", b".", b"\\", b"/", b"#", b"?", b"%00"]),
        st.sampled_from([b"", b"localhost", b"evil.example", b"80", b"127.0.0.1"]),
    ),
)
