#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# SpamAssassin in one process, for tests/eval/eval: local tests only, the rules of its package, a Bayes database of its
# own in DIR, no learning by itself.
#
#     spamassassin.pl DIR < COMMANDS     learn spam FILE | learn ham FILE | check FILE
#
# Each check answers "FILE<tab>SCORE<tab>SYMBOLS<tab>MS", where MS is processor time.
use strict;
use warnings;
use Mail::SpamAssassin;
use Time::HiRes qw(clock);

my $dir = shift or die "usage: spamassassin.pl DIR\n";
$| = 1;
my $sa = Mail::SpamAssassin->new({
    local_tests_only   => 1,
    dont_copy_prefs    => 1,
    userprefs_filename => "$dir/prefs",
    userstate_dir      => $dir,
    home_dir_for_helpers => $dir,
    config_tree_recurse => 0,
    post_config_text   => "use_bayes 1\nbayes_auto_learn 0\nbayes_auto_expire 0\nbayes_path $dir/bayes\n"
        . "skip_rbl_checks 1\ndns_available no\nuse_txrep 0\nuse_auto_welcomelist 0\nlock_method flock\n",
});
$sa->compile_now(0, 1);

sub message {
    my $file = shift;
    open(my $in, '<:raw', $file) or die "$file: $!\n";
    my @lines = <$in>;
    close($in);
    shift @lines if @lines && $lines[0] =~ /^From /;
    return $sa->parse(\@lines, 1);
}

my $learning = 0;
while (my $line = <STDIN>) {
    chomp $line;
    if ($line =~ /^learn (spam|ham) (.+)$/) {
        $sa->init_learner({ force_expire => 0, learn_to_journal => 0, wait_for_lock => 1 }) unless $learning++;
        my $mail = message($2);
        my $status = $sa->learn($mail, undef, $1 eq 'spam', 0);
        $status->finish();
        $mail->finish();
    } elsif ($line =~ /^check (.+)$/) {
        if ($learning) { $sa->rebuild_learner_caches(); $sa->finish_learner(); $learning = 0; }
        my $began  = clock();
        my $mail   = message($1);
        my $status = $sa->check($mail);
        printf "%s\t%s\t%s\t%.1f\n", $1, $status->get_score(), $status->get_names_of_tests_hit(), 1000 * (clock() - $began);
        $status->finish();
        $mail->finish();
    } else {
        die "what is \"$line\"?\n";
    }
}
