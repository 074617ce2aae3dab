// SPDX-License-Identifier: Apache-2.0
// Haraka asks postsluice-policyd (Postfix's policy protocol), and lets nobody in by the back door but the filter.
//
// One policy connection for each SMTP connection, as Postfix's smtpd has it: what policyd reserves at RCPT it gives back when the
// connection closes that asked for it. A lost one is opened again once; then the answer is 451. No value that holds a line end or NUL
// is sent: a login or an address cannot add a line to the request.
'use strict'

const { execFileSync } = require('node:child_process')
const { readFileSync } = require('node:fs')
const { connect } = require('node:net')
const { endianness } = require('node:os')

const DSN = require('haraka-dsn')

const ACTION = /^action=(DUNNO|(?:[45]\d\d \d\.\d+\.\d+|PREPEND|HOLD|WARN) [^\r\n]+)\n\n$/
const UNAVAILABLE = '451 4.3.5 Policy service unavailable, try again later'
const MALFORMED = '550 5.7.1 Address or login with control characters'

exports.register = function () {
    const { main } = this.config.get('postsluice.ini')
    this.policyd = main.policyd
    this.timeout = 1000 * main.timeout
    this.ports = String(main.filter_ports).split(/[ ,]+/).map(Number)
    this.filter_uid = execFileSync('id', ['-u', main.filter_user]).toString().trim()
}

// ---- the way back from the filter ----

exports.is_reentry = function (connection) {
    return this.ports.includes(connection.local.port)
}

// As /proc/net/tcp spells an IPv4 address and port.
function spelled(address, port) {
    const octets = address.replace(/^::ffff:/i, '').split('.').map(Number)
    if (endianness() === 'LE') octets.reverse()
    return `${Buffer.from(octets).toString('hex')}:${port.toString(16).padStart(4, '0')}`.toUpperCase()
}

// Does the other end of this connection belong to the filter's user? A socket without a process is listed as uid 0 with inode 0.
exports.is_filter = function (connection) {
    const theirs = spelled(connection.remote.ip, connection.remote.port)
    const ours = spelled(connection.local.ip, connection.local.port)
    for (const line of readFileSync('/proc/net/tcp', 'latin1').split('\n')) {
        const [, local, remote, state, , , , uid, , inode] = line.trim().split(/\s+/)
        if (local === theirs && remote === ours) return state === '01' && inode !== '0' && uid === this.filter_uid && uid !== '0'
    }
    return false
}

exports.hook_connect = function (next, connection) {
    if (!this.is_reentry(connection)) return next()
    if (!this.is_filter(connection)) {
        return next(DENYSOFTDISCONNECT, DSN.create(421, 'This port is for postsluice-contentfilter alone', 7, 0))
    }
    connection.relaying = true
    next()
}

// What comes from the filter leaves; what goes to it is for smtp_forward.
exports.hook_mail = function (next, connection, [, parameters]) {
    const { notes } = connection.transaction
    notes.set('queue.wants', this.is_reentry(connection) ? 'outbound' : 'smtp_forward')
    notes.postsluice_size = Number(parameters?.SIZE) || 0
    next()
}

// ---- policyd ----

// An address as Postfix has it within: no brackets, and no quotes around the local part.
function internal(address) {
    if (!address?.user) return ''
    const [, quoted] = address.user.match(/^"(.*)"$/s) ?? []
    const local = quoted === undefined ? address.user : quoted.replace(/\\(.)/gs, '$1')
    return address.host ? `${local}@${address.host}` : local
}

function attributes(connection, state, more) {
    const { transaction } = connection
    return {
        request: 'smtpd_access_policy',
        protocol_state: state,
        instance: transaction.uuid,
        sender: internal(transaction.mail_from),
        client_address: connection.remote.ip,
        server_address: connection.local.ip,
        server_port: connection.local.port,
        sasl_username: connection.notes.auth_user ?? '',
        size: transaction.notes.postsluice_size,
        ...more,
    }
}

// One request on one connection: what was answered, up to the empty line; undefined on any trouble.
exports.exchange = function (socket, request) {
    return new Promise((resolve) => {
        let answer = ''
        const done = (result) => {
            socket.removeAllListeners()
            socket.on('error', () => {}) // whatever happens to it between two requests, the next one finds out
            socket.setTimeout(0)
            if (result === undefined) socket.destroy()
            resolve(result)
        }
        socket.setTimeout(this.timeout, () => done())
        socket.once('error', () => done())
        socket.once('close', () => done())
        socket.once('end', () => done())
        socket.on('data', (octets) => {
            answer += octets.toString('utf8')
            if (answer.endsWith('\n\n')) done(answer)
            else if (answer.length > 8192) done()
        })
        socket.write(request)
    })
}

exports.converse = async function (connection, request) {
    const kept = connection.notes.policyd
    for (const socket of kept && !kept.destroyed ? [kept, undefined] : [undefined]) {
        connection.notes.policyd = socket ?? connect(this.policyd)
        const answer = await this.exchange(connection.notes.policyd, request)
        const action = answer?.match(ACTION)?.[1]
        if (action) return action
    }
    return UNAVAILABLE
}

exports.ask = async function (connection, state, more) {
    const lines = Object.entries(attributes(connection, state, more)).map(([name, value]) => `${name}=${value}`)
    // eslint-disable-next-line no-control-regex
    if (lines.some((line) => /[\r\n\0]/.test(line))) return MALFORMED
    return this.converse(connection, `${lines.join('\n')}\n\n`)
}

// Hands an answer to Haraka. HOLD is 450: Haraka has no hold queue.
exports.act = function (next, connection, answer) {
    const [, code, subject, detail, text] = answer.match(/^([45]\d\d) \d\.(\d+)\.(\d+) (.*)$/) ?? []
    if (code) return next(code[0] === '4' ? DENYSOFT : DENY, DSN.create(Number(code), text, Number(subject), Number(detail)))
    if (answer.startsWith('HOLD ')) return next(DENYSOFT, DSN.create(450, answer.slice(5), 7, 1))
    if (answer.startsWith('WARN ')) connection.logwarn(this, answer)
    next()
}

exports.hook_rcpt = async function (next, connection, [recipient]) {
    if (this.is_reentry(connection)) return next()
    if (!connection.notes.auth_user) return next(DENY, DSN.create(530, 'Authentication required', 7, 0))
    this.act(next, connection, await this.ask(connection, 'RCPT', { recipient: internal(recipient) }))
}

function at_end({ transaction }) {
    const recipients = transaction.rcpt_to
    return { recipient_count: recipients.length, recipient: recipients.length === 1 ? internal(recipients[0]) : '' }
}

exports.hook_data = async function (next, connection) {
    if (this.is_reentry(connection)) return next()
    const answer = await this.ask(connection, 'DATA', at_end(connection))
    if (answer.startsWith('PREPEND ')) connection.transaction.notes.postsluice_ticket = answer.slice(8)
    this.act(next, connection, answer)
}

// The ticket goes above Haraka's own Received field: there no client can write.
exports.hook_data_post = async function (next, connection) {
    if (this.is_reentry(connection)) return next()
    const { transaction } = connection
    const answer = await this.ask(connection, 'END-OF-MESSAGE', { ...at_end(connection), size: transaction.data_bytes })
    const [, name, value] = transaction.notes.postsluice_ticket?.match(/^([^:]+): (.+)$/) ?? []
    if (name) transaction.add_leading_header(name, value)
    this.act(next, connection, answer)
}

exports.hook_disconnect = function (next, connection) {
    connection.notes.policyd?.destroy()
    next()
}
