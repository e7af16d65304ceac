// SPDX-License-Identifier: Apache-2.0

/// The remote logins that a command is run over: those whose server is among the parents of the command, or of whoever
/// is attached to the terminal multiplexer that it runs in.
package struct RemoteLogins: Sendable, Hashable {
    /// A connection, and the server's process that holds it.
    package struct Login: Sendable, Hashable {
        package var connection: TCPConnection
        package var server: HostProcess
    }

    /// By process; a connection that several processes hold, once.
    package var logins: [Login] = []
    /// A server whose connection cannot be seen; nil: there is none.
    package var unseen: HostProcess?

    /// What the programs are called that let users log in.
    private static let servers = ["sshd", "sshd-session", "sshd-auth", "dropbear"]

    /// Looks at the processes.
    package init(in view: some ProcessView) {
        var files = FilesOfProcesses(view)
        let servers = RemoteLogins.processes(behind: view.own, view, &files).filter {
            RemoteLogins.servers.contains($0.name)
        }
        var seen: Set<TCPConnection> = []
        for server in servers.sorted(by: { $0.id < $1.id }) {
            guard let files = files.of(server.id) else {
                unseen = unseen ?? server
                continue
            }
            let connections = view.connections(of: server.id)
            let sockets = files.compactMap { file -> UInt64? in
                if case .socket(let inode) = file { inode } else { nil }
            }
            // The login's own connection is the first one that the server opens; forwarded ones come later.
            guard let connection = sockets.lazy.compactMap({ connections[$0] }).first else { continue }
            if seen.insert(connection).inserted { logins.append(Login(connection: connection, server: server)) }
        }
        if !logins.isEmpty { unseen = nil }
    }

    /// The process and its parents; and, of a process that holds terminals open, as the server of a multiplexer does
    /// those of its clients, also the processes on these terminals and their parents.
    private static func processes<View: ProcessView>(
        behind own: Int32, _ view: View, _ files: inout FilesOfProcesses<View>
    ) -> [HostProcess] {
        var found: [Int32: HostProcess] = [:]
        var byTerminal: [UInt64: [Int32]]?
        var next = [own]
        while let id = next.popLast() {
            // The first process of all is everybody's parent.
            guard id > 1, found[id] == nil, let process = view.process(id) else { continue }
            found[id] = process
            next.append(process.parent)
            let terminals = (files.of(id) ?? []).filter { $0.terminalNumber != nil }
            guard !terminals.isEmpty else { continue }
            let known = byTerminal ?? RemoteLogins.byTerminal(view)
            byTerminal = known
            // A terminal's number says little: whoever mounts a devpts of his own has the same ones. Who is on this
            // very terminal has it open.
            for terminal in Set(terminals) {
                let candidates = terminal.terminalNumber.flatMap { known[$0] } ?? []
                next += candidates.filter { files.of($0)?.contains(terminal) == true }
            }
        }
        return Array(found.values)
    }

    private static func byTerminal(_ view: some ProcessView) -> [UInt64: [Int32]] {
        Dictionary(grouping: view.all.compactMap(view.process).filter { $0.terminal != 0 }, by: \.terminal)
            .mapValues { $0.map(\.id) }
    }
}

/// What the descriptors of processes are open on, each process looked at once.
private struct FilesOfProcesses<View: ProcessView> {
    private let view: View
    private var known: [Int32: [ProcessFile]?] = [:]

    init(_ view: View) { self.view = view }

    /// nil: it may not be looked at.
    mutating func of(_ id: Int32) -> [ProcessFile]? {
        if let known = known[id] { return known }
        let files = view.files(of: id)
        known[id] = .some(files)
        return files
    }
}
