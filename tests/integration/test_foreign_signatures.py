# SPDX-License-Identifier: Apache-2.0
"""Mail that comes with somebody else's DKIM signature, made by Mail::DKIM: it leaves octet for octet as it came and still verifies,
beside ours, or alone where it is of the author's domain already."""

import subprocess
import unittest

from support import SandboxCase, mails

PARALLEL = True

SIGN = """
use Mail::DKIM::Signer; use Mail::DKIM::PrivateKey;
my ($file, $domain, $selector) = @ARGV;
my $signer = Mail::DKIM::Signer->new(Algorithm => "rsa-sha256", Method => "%s", Domain => $domain, Selector => $selector,
                                     Key => Mail::DKIM::PrivateKey->load(File => $file));
binmode STDIN; local $/; my $message = <STDIN>;
$signer->PRINT($message); $signer->CLOSE; print $signer->signature->as_string;
"""
BODY = "Gr\u00fc\u00dfe,\r\n\r\n.a dot\r\n\ttabs  and   blanks \r\n" + "x" * 900 + "\r\n"


class Story:
    def signed(self, domain, selector, text, method="relaxed"):
        """The signature's field, and the message below it."""
        file = self.box.make_key(domain, selector, "rsa")
        if domain == "example.org":  # ours has nothing to do with it
            file = file.rename(self.box.path(f"{selector}.pem"))
            self.box.postsluice("config", "reload")
        run = subprocess.run(["perl", "-e", SIGN % method, file, domain, selector], input=text, capture_output=True, check=True)
        field = run.stdout.replace(b"\r\n", b"\n").strip(b"\n").replace(b"\n", b"\r\n") + b"\r\n"
        self.assertTrue(field.startswith(b"DKIM-Signature: "), field)
        return field, field + text

    def through(self, subject, domain, selector, **more):
        text = mails.plain("alice@example.org", "friend@example.net", subject, body=BODY, extra="Content-Transfer-Encoding: 8bit\r\n").encode()
        field, message = self.signed(domain, selector, text, **more)
        self.assertEqual(self.box.send("alice@example.org", "friend@example.net", message, mail_options=["BODY=8BITMIME"])[-1][1], 250)
        content = self.arrived(subject)[0].content
        self.assertEqual(content.count(field), 1, content)
        lines, good = self.box.verify_dkim(content)
        self.assertTrue(good, lines)
        return sorted(line.split()[2:4] for line in lines)

    def test_a_strangers_stays_beside_ours(self):
        for method in ("relaxed", "simple"):
            with self.subTest(method):
                said = self.through(f"a stranger's, {method}", "partner.example", f"p-{method}", method=method)
                self.assertEqual(said, [["d=example.org", "s=ed1"], ["d=example.org", "s=rsa1"], ["d=partner.example", f"s=p-{method}"]])

    def test_one_of_the_authors_domain_stays_alone(self):
        self.assertEqual(self.through("the author's", "example.org", "own"), [["d=example.org", "s=own"]])
        self.filter_lines("sign=already-signed", least=1)


class Lmtp(Story, SandboxCase):
    pass


class BeforeQueue(Story, SandboxCase):
    EXAMPLE = "before-queue"


class Pipe(Story, SandboxCase):
    EXAMPLE = "pipe"


if __name__ == "__main__":
    unittest.main()
