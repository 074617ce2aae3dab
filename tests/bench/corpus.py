# SPDX-License-Identifier: Apache-2.0
"""Messages to measure with, the same for the same seed: plain text of fixed sizes, and a corpus like the mail of an office: median
10 KB, lognormal with a tail to 1 MB; plain, text beside HTML, HTML alone, and attachments (PDF, PNG, spreadsheet) in base64.
Everything is ordinary mail of one author: no filter has a reason to refuse any of it."""

import base64
import io
import math
import random
import zipfile

WORDS = """the of and to in is that for it as was with be by on not he his but at are this have from or had an they which one
you were all her she there would their we him been has when who will no more if out so up said what its about than into them can
only other time new some could these two may first then do any like my now over such our man me even most made after also did many
invoice meeting project report schedule delivery order customer budget contract review draft office garden kitchen weather journey
please attached regards thanks tomorrow question answer proposal quarter figures update version minutes agenda""".split()
MEDIAN, SIGMA, SMALLEST, LARGEST = 10_000, 1.65, 800, 1_000_000
KINDS = (("plain", 40), ("alternative", 30), ("html", 10), ("attachment", 20))


def sentence(rng):
    words = [rng.choice(WORDS) for _ in range(rng.randint(6, 16))]
    return " ".join(words).capitalize() + rng.choice("...?")


def text(rng, octets):
    """Paragraphs in lines of at most 72, of about `octets` octets with CRLF."""
    lines, line, size = [], "", 0
    while size + len(line) < octets:
        for word in sentence(rng).split():
            if len(line) + len(word) > 71:
                lines.append(line)
                size += len(line) + 2
                line = ""
            line += (" " if line else "") + word
        if rng.random() < 0.05:
            lines += [line, ""]
            size += len(line) + 4
            line = ""
    return "\n".join(lines + [line]) + "\n"


def html(rng, octets):
    out = ["<!DOCTYPE html>", "<html><head><title>" + sentence(rng) + "</title>",
           "<style>p { font-family: sans-serif; margin: 0 0 1em } td { padding: 2px }</style></head><body>"]
    size = 300
    while size < octets:
        inner = f"{sentence(rng)} <b>{sentence(rng)}</b>"
        if rng.random() < 0.1:
            inner = f'<a href="https://www.example.org/{rng.randrange(10**6)}">{inner}</a>'
        out.append(f'<p style="color: #333">{inner}</p>')
        size += len(out[-1]) + 2
    return "\n".join(out + ["</body></html>"]) + "\n"


def attachment(rng, octets):
    """(type, name, content) of about `octets` octets."""
    kind = rng.choice(("pdf", "png", "xlsx"))
    noise = rng.randbytes(max(octets, 200))
    if kind == "pdf":
        content = b"%PDF-1.4\n1 0 obj\n<< /Length " + str(len(noise)).encode() + b" >>\nstream\n" + noise + b"\nendstream\nendobj\n%%EOF\n"
        return "application/pdf", "report.pdf", content
    if kind == "png":
        return "image/png", "picture.png", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x02\x00\x00\x00\x02\x00\x08\x02\x00\x00\x00" + noise
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as book:
        for name, data in (("[Content_Types].xml", b'<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'),
                           ("_rels/.rels", b'<?xml version="1.0"?><Relationships/>'), ("xl/workbook.xml", b"<workbook/>"), ("xl/media/image1.png", noise)):
            book.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), data)
    return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "figures.xlsx", file.getvalue()


def header(rng, number, kind):
    return (f"From: Alice Example <alice@example.org>\nTo: Somebody <x@example.net>\nSubject: {sentence(rng)}\n"
            f"Date: Mon, 03 Jun 2024 10:{number % 60:02d}:00 +0200\nMessage-ID: <{number}.{rng.randrange(10**9)}@example.org>\n"
            f"MIME-Version: 1.0\nUser-Agent: Mozilla Thunderbird\nContent-Type: {kind}\n")


def in_parts(top, parts):
    """A multipart of (type and further fields, body)."""
    boundary = "----=_Part_7b1f"
    body = "".join(f"--{boundary}\n{fields}\n{content}" for fields, content in parts)
    return f'{top}; boundary="{boundary}"', f"\n{body}--{boundary}--\n"


def plain(rng, number, octets):
    head = header(rng, number, "text/plain; charset=utf-8")
    return head + "\n" + text(rng, max(octets - len(head) - 1, 1))


def message(rng, number, octets):
    kind = rng.choices([name for name, _ in KINDS], [weight for _, weight in KINDS])[0]
    if octets > 150_000:  # nobody writes that much
        kind = "attachment"
    if kind == "plain" or octets < 1500:
        return plain(rng, number, octets)
    left = octets - 700
    as_text, as_html = "Content-Type: text/plain; charset=utf-8\n", "Content-Type: text/html; charset=utf-8\n"
    if kind == "html":
        return header(rng, number, "text/html; charset=utf-8") + "\n" + html(rng, left)
    if kind == "alternative":
        top, body = in_parts("multipart/alternative", [(as_text, text(rng, left // 3)), (as_html, html(rng, left * 2 // 3))])
        return header(rng, number, top) + body
    type_, name, content = attachment(rng, max(left - 1000, 400) * 72 // 100)
    fields = f'Content-Type: {type_}; name="{name}"\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment; filename="{name}"\n'
    top, body = in_parts("multipart/mixed", [(as_text, text(rng, 900)), (fields, base64.encodebytes(content).decode())])
    return header(rng, number, top) + body


def write(directory, messages):
    directory.mkdir()
    directory.chmod(0o755)
    for number, content in enumerate(messages):
        (directory / f"{number:04d}.eml").write_text(content, newline="\r\n")
    return directory


def write_fixed(directory, octets, count=20, seed=1):
    """`count` plain messages of `octets` each, over the wire."""
    rng = random.Random(seed)
    def one(number):
        content = plain(rng, number, octets + 200)
        over = len(content) + content.count("\n") - octets
        while over > 2 and len(content) - content.rindex("\n", 0, -1) <= over:
            over -= len(content) - content.rindex("\n", 0, -1)
            content = content[:content.rindex("\n", 0, -1) + 1]
        return content[:-1 - over] + "\n" if over > 0 else content
    return write(directory, [one(n) for n in range(count)])


def write_corpus(directory, count=200, seed=1):
    rng = random.Random(seed)
    sizes = [min(max(rng.lognormvariate(math.log(MEDIAN), SIGMA), SMALLEST), LARGEST) for _ in range(count - 1)] + [LARGEST]
    rng.shuffle(sizes)
    return write(directory, [message(rng, number, int(size)) for number, size in enumerate(sizes)])


def write_large(directory, octets, seed=1):
    """One message with an attachment, `octets` long or few more."""
    rng = random.Random(seed)
    fields = 'Content-Type: image/png; name="scan.png"\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment; filename="scan.png"\n'
    content = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x02\x00\x00\x00\x02\x00\x08\x02\x00\x00\x00" + rng.randbytes(octets * 73 // 100)
    top, body = in_parts("multipart/mixed", [("Content-Type: text/plain\n", text(rng, 900)), (fields, base64.encodebytes(content).decode())])
    return write(directory, [header(rng, 1, top) + body])


def describe(directory):
    sizes = sorted(file.stat().st_size for file in directory.iterdir())
    at = lambda part: sizes[int(part * (len(sizes) - 1))]
    return (f"{len(sizes)} messages: min {sizes[0]}, p25 {at(.25)}, median {at(.5)}, p75 {at(.75)}, p90 {at(.9)}, max {sizes[-1]}, "
            f"mean {sum(sizes) // len(sizes)} octets")
