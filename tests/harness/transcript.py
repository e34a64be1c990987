# SPDX-License-Identifier: MIT
"""Transcripts: reading and writing the files in tests/transcripts (the format is in its README.md)."""
import re
from dataclasses import dataclass, field

LONG_RUN = 64  # bytes or messages alike from here on are written with `repeat`


@dataclass
class Chunk:
    """What one call moved: side is "C" or "S"; data is None for an end, which is then in `end`."""
    side: str
    ms: float
    data: bytes = b""
    end: str = ""  # "close" (FIN) or "reset" (RST)


@dataclass
class Transcript:
    comment: list = field(default_factory=list)
    chunks: list = field(default_factory=list)
    truth: dict = field(default_factory=dict)  # group -> {key: int or str}


def quote(data):
    out = []
    for byte in data:
        if byte in (0x22, 0x5C):
            out.append("\\" + chr(byte))
        else:
            out.append(chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}")
    return '"' + "".join(out) + '"'


def unquote(text):
    raw = text[1:-1].encode("ascii")
    return re.sub(rb'\\(x([0-9a-f]{2})|["\\])', lambda m: bytes([int(m[2], 16)]) if m[2] else m[0][1:], raw)


def split_messages(data, untyped):
    """Cuts at message boundaries, for the reader's eye only; what cannot be cut stays whole."""
    parts, at = [], 0
    while at < len(data):
        length_at = at if untyped else at + 1
        size = int.from_bytes(data[length_at:length_at + 4], "big") + (0 if untyped else 1)
        if len(data) - length_at < 4 or size < 4 or at + size > len(data):
            return parts + [data[at:]]
        parts.append(data[at:at + size])
        at += size
        untyped = False
    return parts


def byte_runs(data):
    """('"abc"', 'repeat 200 "x"', ...): long runs of one byte apart from the rest."""
    at, out = 0, []
    for run in re.finditer(rb"(?s)(.)\1{%d,}" % (LONG_RUN - 1), data):
        if run.start() > at:
            out.append(quote(data[at:run.start()]))
        out.append(f"repeat {run.end() - run.start()} {quote(run[1])}")
        at = run.end()
    if at < len(data) or not data:
        out.append(quote(data[at:]))
    return out


def pieces(data, untyped):
    """The lines of one chunk: a message each, equal ones folded."""
    out, messages, at = [], split_messages(data, untyped), 0
    while at < len(messages):
        same = at
        while same < len(messages) and messages[same] == messages[at]:
            same += 1
        if same - at >= LONG_RUN:
            out.append(f"repeat {same - at} {quote(messages[at])}")
            at = same
        else:
            out += byte_runs(messages[at])
            at += 1
    return out


def write(transcript, path):
    lines = [("# " + line).rstrip() for line in transcript.comment] + [""]
    last_ms, first = 0.0, True
    for chunk in transcript.chunks:
        stamp = f"@{chunk.ms:.0f} " if chunk.ms - last_ms >= 50 else ""
        last_ms = chunk.ms
        if chunk.end:
            lines.append(f"{chunk.side} {stamp}{chunk.end}")
            continue
        head, *rest = pieces(chunk.data, first and chunk.side == "C")
        first = False
        lines.append(f"{chunk.side} {stamp}{head}")
        lines += ["  " + piece for piece in rest]
    lines.append("")
    for group, facts in transcript.truth.items():
        lines.append(" ".join(["truth", group] + [f"{k}={v}" for k, v in facts.items()]))
    with open(path, "w") as out:
        out.write("\n".join(lines) + "\n")


ITEM = re.compile(r'(?:repeat (\d+) )?("(?:[^"\\]|\\.)*")$')


def data_of(text):
    match = ITEM.match(text)
    if not match:
        raise ValueError(f"neither \"bytes\" nor repeat N \"bytes\": {text[:60]}")
    return unquote(match[2]) * int(match[1] or 1)


def read(path):
    """Parses one file; ValueError names the line."""
    out = Transcript()
    with open(path) as lines:
        for number, line in enumerate(lines, 1):
            try:
                _read_line(out, line.rstrip("\n"))
            except ValueError as error:
                raise ValueError(f"{path}:{number}: {error}") from error
    return out


def _read_line(out, line):
    if not line.strip():
        return
    if line.startswith("#"):
        out.comment.append(line[2:])
    elif line.startswith("  "):
        out.chunks[-1].data += data_of(line.strip())
    elif line.startswith("truth "):
        _, group, *facts = line.split()
        out.truth[group] = {k: int(v) if v.isdigit() else v for k, v in (fact.split("=", 1) for fact in facts)}
    elif line[:2] in ("C ", "S "):
        out.chunks.append(_chunk(line, out.chunks[-1].ms if out.chunks else 0.0))
    else:
        raise ValueError(f"unknown directive: {line[:60]}")


def _chunk(line, last_ms):
    side, rest, ms = line[0], line[2:], last_ms
    if rest.startswith("@"):
        stamp, rest = rest[1:].split(" ", 1)
        ms = float(stamp)
    if rest in ("close", "reset"):
        return Chunk(side, ms, end=rest)
    return Chunk(side, ms, data_of(rest))
