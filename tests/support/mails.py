# SPDX-License-Identifier: Apache-2.0
"""Messages that tests and the demo send. What would alarm a scanner is put together at run time."""

import base64
import email.utils
import uuid

EICAR = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + "EICAR-STANDARD-" + "ANTIVIRUS-TEST-FILE!$H+H*"
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*" + "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL" + "*C.34X"

# The beginning of a Windows program: DOS header, stub, PE header. Enough for every file(1) to say what it is.
PROGRAM = (b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00\xb8" + b"\x00" * 7 + b"@" + b"\x00" * 35 + b"\x80\x00\x00\x00" +
           b"\x0e\x1f\xba\x0e\x00\xb4\t\xcd!\xb8\x01L\xcd!This program cannot be run in DOS mode.\r\r\n$".ljust(64, b"\x00") +
           b"PE\x00\x00L\x01\x03\x00" + b"\x00" * 12 + b"\xe0\x00\x0f\x01\x0b\x01" + b"\x00" * 400)


def plain(sender, recipient, subject="A plain message", body="Hello,\r\n\r\nthis is a plain message.\r\n", extra=""):
    return (f"From: {sender}\r\nTo: {recipient}\r\nSubject: {subject}\r\n"
            f"Message-ID: <{uuid.uuid4()}@client.example.org>\r\nDate: {email.utils.formatdate()}\r\n{extra}"
            f"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}")


def with_attachment(sender, recipient, filename, content, subject="With an attachment", kind="application/octet-stream"):
    boundary = "=_" + uuid.uuid4().hex
    encoded = base64.encodebytes(content).decode().replace("\n", "\r\n")
    return (f"From: {sender}\r\nTo: {recipient}\r\nSubject: {subject}\r\n"
            f"Message-ID: <{uuid.uuid4()}@client.example.org>\r\nDate: {email.utils.formatdate()}\r\nMIME-Version: 1.0\r\n"
            f"Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\nContent-Type: text/plain\r\n\r\n"
            f"See the file.\r\n\r\n--{boundary}\r\nContent-Type: {kind}; name=\"{filename}\"\r\n"
            f"Content-Disposition: attachment; filename=\"{filename}\"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            f"{encoded}\r\n--{boundary}--\r\n")
