// SPDX-License-Identifier: Apache-2.0
import Network
import TestSupport
import Testing

@testable import Host

/// Over which connection a command is run: by tables of processes that stand for a host.
@Suite struct RemoteLoginTests {
    /// Processes by their ids; the command itself is 100.
    private struct Table: ProcessView {
        var processes: [HostProcess]
        var open: [Int32: [ProcessFile]] = [:]
        var hidden: Set<Int32> = []
        var sockets: [UInt64: TCPConnection] = [:]

        var own: Int32 { 100 }
        var all: [Int32] { processes.map(\.id) }

        func process(_ id: Int32) -> HostProcess? { processes.first { $0.id == id } }
        func files(of id: Int32) -> [ProcessFile]? { hidden.contains(id) ? nil : open[id] ?? [] }
        func connections(of id: Int32) -> [UInt64: TCPConnection] { sockets }
    }

    private static func connection(_ port: UInt16) -> TCPConnection {
        TCPConnection(local: .init("192.0.2.2", 22), remote: .init("192.0.2.1", port), namespace: 1)
    }

    private static let sockets: [UInt64: TCPConnection] = [7: connection(50007), 8: connection(50008)]

    private static func process(_ id: Int32, _ parent: Int32, _ name: String, on terminal: UInt64 = 0) -> HostProcess {
        HostProcess(id: id, parent: parent, name: name, terminal: terminal)
    }

    /// A device of the devpts that the host mounts, or of another one.
    private static func device(_ number: UInt64, on fileSystem: UInt64 = 26) -> ProcessFile {
        .device(number, fileSystem: fileSystem, inode: number)
    }

    /// A login with a shell on a terminal: 10 listens, 11 has the connection, 12 is the user's, 13 the shell.
    private static let login = [
        process(1, 0, "systemd"), process(10, 1, "sshd"), process(11, 10, "sshd"), process(12, 11, "sshd"),
        process(13, 12, "bash", on: 0x8800),
    ]

    /// The user's process also forwards a connection, which it opened later.
    private static let held: [Int32: [ProcessFile]] = [
        10: [device(0x103), .socket(inode: 1)], 11: [.socket(inode: 7)], 12: [.socket(inode: 7), .socket(inode: 8)],
        13: [device(0x8800)],
    ]

    private func ports(_ table: Table) -> [UInt16] { RemoteLogins(in: table).logins.map(\.connection.remote.port) }

    @Test func aLoginIsFoundThroughItsParents() {
        for chain in [[], ["sudo"], ["sudo", "su", "bash"]] {
            var processes = Self.login
            var parent: Int32 = 13
            for (index, name) in chain.enumerated() {
                processes.append(Self.process(20 + Int32(index), parent, name, on: 0x8801))
                parent = 20 + Int32(index)
            }
            processes.append(Self.process(100, parent, "bulkhead", on: 0x8801))
            #expect(ports(Table(processes: processes, open: Self.held, sockets: Self.sockets)) == [50007])
        }
    }

    /// The server of a multiplexer is a child of the first process, and holds its client's terminal open.
    @Test(arguments: ["tmux: server", "screen"]) func aLoginIsFoundThroughAMultiplexer(name: String) {
        let processes =
            Self.login + [
                Self.process(14, 13, "client", on: 0x8800), Self.process(30, 1, name),
                Self.process(31, 30, "bash", on: 0x8802), Self.process(100, 31, "bulkhead", on: 0x8802),
            ]
        var open = Self.held
        open[30] = [Self.device(0x502), Self.device(0x8800)]
        open[31] = [Self.device(0x8802)]
        #expect(ports(Table(processes: processes, open: open, sockets: Self.sockets)) == [50007])
        // Detached, nobody sits at it.
        open[30] = [Self.device(0x502)]
        #expect(ports(Table(processes: processes, open: open, sockets: Self.sockets)) == [])
    }

    /// Each mount of devpts counts its terminals from 0, and anybody with a user namespace can have one.
    @Test func aTerminalOfAnotherMountIsNotTheSame() {
        let processes =
            Self.login + [
                Self.process(100, 13, "bulkhead", on: 0x8800), Self.process(50, 1, "sshd"),
                Self.process(51, 50, "liar", on: 0x8800),
            ]
        var open = Self.held
        open[50] = [.socket(inode: 8)]
        open[51] = [Self.device(0x8800, on: 40)]
        #expect(ports(Table(processes: processes, open: open, sockets: Self.sockets)) == [50007])
        open[51] = [Self.device(0x8800)]
        #expect(ports(Table(processes: processes, open: open, sockets: Self.sockets)) == [50007, 50008])
    }

    @Test func onAConsoleOrInTheBackgroundThereIsNothingToProtect() {
        let console = [
            Self.process(1, 0, "systemd"), Self.process(40, 1, "login", on: 0x440),
            Self.process(41, 40, "bash", on: 0x440), Self.process(100, 41, "bulkhead", on: 0x440),
        ]
        let open: [Int32: [ProcessFile]] = [40: [Self.device(0x440)], 41: [Self.device(0x440)]]
        #expect(ports(Table(processes: Self.login + console, open: open, sockets: Self.sockets)) == [])
        let service = [Self.process(1, 0, "systemd"), Self.process(100, 1, "bulkhead")]
        #expect(ports(Table(processes: service + Self.login, open: Self.held, sockets: Self.sockets)) == [])
    }

    @Test func whatMayNotBeLookedAtIsSaid() {
        let processes = Self.login + [Self.process(100, 13, "bulkhead")]
        let hidden = Table(processes: processes, open: Self.held, hidden: [10, 11, 12], sockets: Self.sockets)
        #expect(RemoteLogins(in: hidden).unseen?.id == 10)
        #expect(RemoteLogins(in: hidden).logins.isEmpty)
        let some = Table(processes: processes, open: Self.held, hidden: [10, 11], sockets: Self.sockets)
        #expect(RemoteLogins(in: some).unseen == nil && ports(some) == [50007])
    }

    @Test func theKernelsTextIsRead() throws {
        let stat = try #require(HostProcess(stat: "42 (tmux: (a) server) S 1 42 42 34816 -1 4194304 0 0\n"))
        #expect(stat == HostProcess(id: 42, parent: 1, name: "tmux: (a) server", terminal: 34816))
        #expect(HostProcess(stat: "nonsense") == nil)
        let text = """
              sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
               0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0
               1: 020200C0:0016 010200C0:C357 01 00000000:00000000 02:00000000 00000000     0        0 7 4 0 20 4
               2: broken
               3: B80D0120000000000000000002000000:0016 B80D0120000000000000000001000000:C358 01 0:0 0:0 0 0 0 8 1
               4: 0000000000000000FFFF0000020200C0:0016 0000000000000000FFFF0000010200C0:C359 01 0:0 0:0 0 0 0 9 1
            """
        let found = TCPConnection.established(text, 5)
        #expect(Set(found.keys) == [7, 8, 9])
        #expect(found[7]?.local.address == "192.0.2.2" && found[7]?.remote == .init("192.0.2.1", 50007))
        #expect(found[8]?.local.address == "2001:db8::2" && found[8]?.remote.port == 50008)
        #expect(found[9]?.remote == .init("192.0.2.1", 50009) && found[9]?.namespace == 5)
    }
}
