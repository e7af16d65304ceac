// SPDX-License-Identifier: Apache-2.0
import Network

/// What this host's own network namespace listens on, and the connections that are open there.
package struct OpenSockets: Sendable {
    /// A socket that takes packets from anybody.
    package struct Listener: Sendable, Hashable {
        /// 6 or 17.
        package var number: UInt8
        /// nil: every address of the host.
        package var address: IPAddress?
        package var port: UInt16
        /// The program that has it open; nil: the kernel itself, or it cannot be seen.
        package var program: String?

        package init(number: UInt8, address: IPAddress?, port: UInt16, program: String?) {
            self.number = number
            self.address = address
            self.port = port
            self.program = program
        }
    }

    /// A connection of TCP, or a socket of UDP that speaks to one peer, and the program that has it open.
    package struct Connection: Sendable, Hashable {
        /// 6 or 17.
        package var number: UInt8
        package var ends: TCPConnection
        package var program: String?

        package init(number: UInt8 = 6, ends: TCPConnection, program: String?) {
            self.number = number
            self.ends = ends
            self.program = program
        }
    }

    /// A socket that takes whole packets of a protocol, such as that of a routing daemon.
    package struct RawListener: Sendable, Hashable {
        package var number: UInt8
        package var program: String?

        package init(number: UInt8, program: String?) {
            self.number = number
            self.program = program
        }
    }

    package var listeners: [Listener] = []
    package var connections: [Connection] = []
    package var rawListeners: [RawListener] = []
    /// Whether the kernel passes on packets that are not its own.
    package var forwards = false

    package init() {}

    /// Reads them from /proc.
    package static func read() -> OpenSockets {
        let programs = programs(KernelProcesses())
        var found = OpenSockets()
        for (name, number) in [("tcp", 6), ("tcp6", 6), ("udp", 17), ("udp6", 17)] as [(String, UInt8)] {
            for line in lines(of: name) { found.add(line, number, programs[line.inode]) }
        }
        // What stands where ports do is the protocol.
        found.rawListeners = ["raw", "raw6"].flatMap(lines).compactMap { line in
            UInt8(exactly: line.local.port).map { RawListener(number: $0, program: programs[line.inode]) }
        }
        found.forwards = ["ipv4/ip_forward", "ipv6/conf/all/forwarding"].contains {
            ProcFile.text("/proc/sys/net/\($0)")?.hasPrefix("1") ?? false
        }
        return found
    }

    /// None of a table that cannot be read, such as those of IPv6 on a host without it.
    private static func lines(of table: String) -> [SocketTable.Line] {
        ProcFile.text("/proc/self/net/\(table)").map { SocketTable($0).lines } ?? []
    }

    private mutating func add(_ line: SocketTable.Line, _ number: UInt8, _ program: String?) {
        if line.state == (number == 6 ? SocketTable.listening : SocketTable.closed) {
            let isAny = line.local.address.value == 0
            let listener = Listener(
                number: number, address: isAny ? nil : line.local.address, port: line.local.port, program: program)
            if !listeners.contains(listener) { listeners.append(listener) }
        } else if line.state == SocketTable.established || number == 6 && SocketTable.halfClosed.contains(line.state) {
            let ends = TCPConnection(local: line.local, remote: line.remote, namespace: 0)
            connections.append(Connection(number: number, ends: ends, program: program))
        }
    }

    /// The programs of the processes that may be looked at, by the inodes of their sockets.
    private static func programs(_ view: some ProcessView) -> [UInt64: String] {
        var found: [UInt64: String] = [:]
        for id in view.all.sorted() {
            guard let files = view.files(of: id), let process = view.process(id) else { continue }
            for case .socket(let inode) in files where found[inode] == nil { found[inode] = process.name }
        }
        return found
    }
}
