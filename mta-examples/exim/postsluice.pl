# SPDX-License-Identifier: Apache-2.0
# Exim asks postsluice-policyd (Postfix's policy protocol), and finds out who comes in by the back door. For perl_startup; exim4.conf beside
# this file says where each function is called.
#
# Why not ${readsocket}: what policyd reserves at RCPT it gives back when the connection closes that asked for it. Exim has one process for
# each SMTP session; this keeps one connection in it, as Postfix's smtpd does. A lost one is opened again once, and then the answer is 451.
#
# Values are taken from Exim's variables, never from expanded text, and none that holds a line end or NUL is sent: a login or an address
# cannot add a line to the request.
use strict;
use warnings;
use Socket;

our $policyd = '/run/postsluice-exim/policyd';    # as in policyd.listen
our $filter  = 'postsluice';                      # the user that the daemons run as
our $timeout = 10;                                # seconds for each step; policyd answers within milliseconds

my $unavailable = '451 4.3.5 Policy service unavailable, try again later';
my $malformed   = '550 5.7.1 Address or login with control characters';
my $connection;

sub value {
    my $text = Exim::expand_string("\$$_[0]");
    return defined $text ? $text : '';
}

# An address as Postfix has it within: the local part without its quotes.
sub internal {
    my ($address) = @_;
    my ( $local, $domain ) = $address =~ /\A"(.*)"(@[^@]*)\z/s or return $address;
    $local =~ s/\\(.)/$1/gs;
    return $local . $domain;
}

sub is_local {
    return value('sender_host_address') eq '';
}

# What policyd may know at every stage. A local user is an account at this server's name.
sub common {
    my $size = value('message_size');
    my $login = is_local() ? value('sender_ident') . '@' . value('primary_hostname') : value('authenticated_id');
    return (
        request        => 'smtpd_access_policy',
        protocol_name  => 'ESMTP',
        instance       => value('acl_m_postsluice'),
        sender         => internal( value('sender_address') ),
        client_address => value('sender_host_address'),
        server_address => value('received_ip_address'),
        server_port    => value('received_port'),
        sasl_username  => $login,
        size           => $size =~ /\A\d+\z/ ? $size : 0,
    );
}

sub at_rcpt {
    my ($recipient) = @_;
    return ( protocol_state => 'RCPT', recipient => internal($recipient) );
}

# DATA and END-OF-MESSAGE. A single recipient is named. No queue ID with DATA: the ticket is one of mail that is not queued yet.
sub at_end {
    my ($state) = @_;
    my $count = value('recipients_count');
    return (
        protocol_state  => $state,
        recipient_count => $count,
        recipient       => $count eq '1' ? internal( value('recipients') ) : '',
        queue_id        => $state eq 'DATA' ? '' : value('message_exim_id'),
    );
}

sub open_connection {
    socket my $new, AF_UNIX, SOCK_STREAM, 0 or return;
    my $limit = pack 'l!l!', $timeout, 0;
    setsockopt $new, SOL_SOCKET, $_, $limit or return for SO_RCVTIMEO, SO_SNDTIMEO;
    connect $new, pack_sockaddr_un($policyd) or return;
    return $new;
}

# One request, one answer: everything up to the empty line. Undefined on any trouble.
sub exchange {
    my ($request) = @_;
    while ( length $request ) {
        my $sent = send $connection, $request, MSG_NOSIGNAL;
        next if !defined $sent && $!{EINTR};
        return unless $sent;
        substr $request, 0, $sent, '';
    }
    my $answer = '';
    until ( $answer =~ /\n\n\z/ ) {
        my $got = sysread $connection, $answer, 4096, length $answer;
        next if !defined $got && $!{EINTR};
        return unless $got;
        return if length $answer > 8192;
    }
    return $answer;
}

# The action: DUNNO, a reply code with its text, PREPEND, HOLD or WARN. Whatever else comes is trouble, and trouble is 451.
sub ask {
    my (%attributes) = @_;
    return $malformed if grep { /[\r\n\0]/ } values %attributes;
    my $request = join( '', map { "$_=$attributes{$_}\n" } sort keys %attributes ) . "\n";
    for my $kept ( defined $connection ? ( 1, 0 ) : (0) ) {
        $connection = open_connection() unless $kept;
        last unless defined $connection;
        my $answer = exchange($request);
        return $1 if defined $answer && $answer =~ /\Aaction=(DUNNO|(?:[45]\d\d \d\.|PREPEND |HOLD |WARN )[^\r\n]+)\n\n\z/;
        undef $connection;
    }
    return $unavailable;
}

# ${perl{postsluice}{RCPT | LOCAL | DATA | END-OF-MESSAGE}}: the answer. LOCAL: all recipients of a message that a local user handed in, one
# after the other. Where policyd cannot be asked such mail goes on, without a ticket: a program that sends once must not lose it.
sub postsluice {
    my ($state) = @_;
    my %common = common();
    my @stages =
        $state eq 'RCPT'  ? { at_rcpt( value('local_part') . '@' . value('domain') ) }
      : $state eq 'LOCAL' ? map { { at_rcpt($_) } } split /, */, value('recipients')
      :                     { at_end($state) };
    my $heaviest = 'DUNNO';
    for my $stage (@stages) {
        my $answer = ask( %common, %$stage );
        return $answer =~ /\A451 / && is_local() ? 'DUNNO' : $answer if $answer =~ /\A[45]/;
        $heaviest = $answer unless $answer eq 'DUNNO' || $heaviest =~ /\AHOLD /;
    }
    return $heaviest;
}

# ${perl{postsluice_is_filter}}: does the other end of this connection belong to the filter's user? proc(5), /proc/net/tcp. A socket
# without a process is listed as uid 0 with inode 0 and proves nothing.
sub postsluice_is_filter {
    my $owner = getpwnam $filter;
    return 0 unless $owner;
    my ( $theirs, $ours ) = map {
        my $address = inet_aton( value( $_->[0] ) ) or return 0;
        sprintf '%08X:%04X', unpack( 'L', $address ), value( $_->[1] );
    } [ 'sender_host_address', 'sender_host_port' ], [ 'received_ip_address', 'received_port' ];
    for ( 1 .. 2 ) {    # a table that changes while it is read may lack a line
        open my $table, '<', '/proc/net/tcp' or return 0;
        while (<$table>) {
            my ( undef, $local, $remote, $state, undef, undef, undef, $uid, undef, $inode ) = split;
            next unless $local eq $theirs && $remote eq $ours;
            return $state eq '01' && $inode && $uid == $owner ? 1 : 0;
        }
    }
    return 0;
}

1;
