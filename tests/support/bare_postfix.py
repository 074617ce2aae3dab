# SPDX-License-Identifier: Apache-2.0
"""The sandbox's Postfix as it is before Postsluice is put in: the example without any of its [postsluice] parts."""

import re

SUBMISSION = """\
{name} inet n -       {chroot}       -       -       smtpd
  -o syslog_name=postfix/{word}
  -o {tls}
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject
"""


def bare_main(text):
    """main.cf without the part between its marker and what the sandbox adds."""
    return re.sub(r"(?s)# ---- \[postsluice\] -.*?(?=\n# ---- the scratch directory)", "", text)


def bare_master(text, chroot="y"):
    """master.cf without our services, with plain submission services and a plain pickup."""
    text = re.sub(r"(?ms)^# \[postsluice\].*?(?=^\w|^\S+:\d+\s|^\[)", "", text)
    text = re.sub(r"(?m)^postsluice.*\n(?:[ \t].*\n)*", "", text)
    text = re.sub(r"(?m)^pickup.*\n(?:[ \t].*\n)*", "pickup    unix  n       -       y       60      1       pickup\n", text)
    for port, word, tls in ((587, "submission", "smtpd_tls_security_level=encrypt"), (465, "submissions", "smtpd_tls_wrappermode=yes")):
        def plain(found, word=word, tls=tls):
            return "# users submit here\n" + SUBMISSION.format(name=found.group(1), word=word, tls=tls, chroot=chroot)
        text = re.sub(rf"(?m)^(\S+:{port})\s+inet.*\n(?:[ \t].*\n)*", plain, text)
    assert "postsluice" not in text.split("#\n", 1)[1], text
    return text.replace("       y       -", f"       {chroot}       -")


def make_bare(box, chroot="y", main_cf=""):
    config = box.path("etc/postfix")
    (config / "main.cf").write_text(bare_main((config / "main.cf").read_text()) + main_cf)
    (config / "master.cf").write_text(bare_master((config / "master.cf").read_text(), chroot))
    for table in config.glob("*.regexp"):
        table.unlink()
