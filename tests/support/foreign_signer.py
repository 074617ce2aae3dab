# SPDX-License-Identifier: Apache-2.0
"""DKIM signatures of somebody else, made by Mail::DKIM."""

import subprocess

PROGRAM = """
use Mail::DKIM::Signer; use Mail::DKIM::PrivateKey;
my ($file, $domain, $selector, $method) = @ARGV;
my $signer = Mail::DKIM::Signer->new(Algorithm => "rsa-sha256", Method => $method, Domain => $domain, Selector => $selector,
                                     Key => Mail::DKIM::PrivateKey->load(File => $file));
binmode STDIN; local $/; my $message = <STDIN>;
$signer->PRINT($message); $signer->CLOSE; print $signer->signature->as_string;
"""


def signature(file, domain, selector, message, method="relaxed"):
    """The field that goes above the message, octets both."""
    run = subprocess.run(["perl", "-e", PROGRAM, file, domain, selector, method], input=message, capture_output=True, check=True)
    field = run.stdout.replace(b"\r\n", b"\n").strip(b"\n").replace(b"\n", b"\r\n") + b"\r\n"
    assert field.startswith(b"DKIM-Signature: "), field
    return field
