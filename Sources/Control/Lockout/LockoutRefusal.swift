// SPDX-License-Identifier: Apache-2.0
import Datapath
import Host
import Network
import Policy
import Wire

/// What there is to say of a policy and the login that the command is run over.
package enum Lockout: Sendable {
    /// The policy cuts no login, or nobody is logged in from elsewhere.
    case none
    /// It would cut one.
    case cuts(Refusal)
    /// It cannot be told, for this reason.
    case unknown(String)
}

extension Controller {
    /// Asks whether a policy would cut a login that this command is run over.
    package func lockout(_ policy: PreparedPolicy) -> Lockout {
        do {
            return try checkedLockout(policy)
        } catch {
            return .unknown(
                "whether the policy cuts the session that this command is run over was not checked: \(error)")
        }
    }

    private func checkedLockout(_ policy: PreparedPolicy) throws -> Lockout {
        let logins = RemoteLogins(in: KernelProcesses())
        if let server = logins.unseen {
            return .unknown(
                "this command is run over \(server.name) (process \(server.id)), whose connection may not be looked "
                    + "at: whether the policy cuts it was not checked")
        }
        guard !logins.logins.isEmpty else { return .none }
        let check = LockoutCheck(
            judge: try judge(policy), network: KernelNetwork(), present: filteredNow())
        var doubt: String?
        for login in logins.logins {
            guard check.network.tables(login.connection.namespace) != nil else {
                doubt =
                    "this command is run over \(login.server.name) in a network namespace without a name: whether the "
                    + "policy cuts that session was not checked"
                continue
            }
            if let cut = try check.cut(login.connection) { return .cuts(Refusal(login, cut)) }
        }
        return doubt.map(Lockout.unknown) ?? .none
    }
}

extension Controller {
    /// Asks whether a policy would cut the login of somebody else.
    ///
    /// - Parameter session: As `SSH_CONNECTION` has it: both ends of a connection to this host.
    package func lockout(_ policy: PreparedPolicy, session: String) -> Lockout {
        let words = session.split(separator: " ").map(String.init)
        guard words.count == 4, let remote = TCPConnection.End(words[0], words[1]),
            let local = TCPConnection.End(words[2], words[3]), let namespace = NetworkNamespace.inode(nil)
        else { return .unknown("the session is not two addresses with ports: whether it is cut was not checked") }
        let connection = TCPConnection(local: local, remote: remote, namespace: namespace)
        do {
            let check = LockoutCheck(judge: try judge(policy), network: KernelNetwork(), present: filteredNow())
            return try check.cut(connection).map { .cuts(Refusal(connection, of: nil, $0)) } ?? .none
        } catch {
            return .unknown("whether the policy cuts the session was not checked: \(error)")
        }
    }
}

extension TCPConnection.End {
    fileprivate init?(_ address: String, _ port: String) {
        guard let address = IPAddress(address), let port = UInt16(port) else { return nil }
        self.init(address, port)
    }
}

extension Refusal {
    init(_ login: RemoteLogins.Login, _ cut: LockoutCheck.Cut) {
        self.init(login.connection, of: "\(login.server.name), process \(login.server.id), ", cut)
    }

    /// - Parameter server: Who serves the session; nil: that is not known.
    fileprivate init(_ connection: TCPConnection, of server: String?, _ cut: LockoutCheck.Cut) {
        let (local, remote) = (connection.local, connection.remote)
        let ends = "\(remote.address.written(with: remote.port)) to \(local.address.written(with: local.port))"
        let packets = cut.isReply ? "its answers to \(remote.address)" : "its packets from \(remote.address)"
        self.init(
            "the policy would cut the session that this command is run over (\(server ?? "")TCP "
                + "from \(ends)): port \(cut.hop.port) would "
                + "\(cut.hop.verdict.rawValue) \(packets) in direction \(cut.hop.direction.rawValue), by "
                + cut.place,
            advice: cut.advice(remote.address, local.port) + "; or add --force to apply it all the same")
    }
}

extension LockoutCheck.Cut {
    /// What decides, and where it is written.
    fileprivate var place: String {
        let source = hop.source.map { ", \($0.file):\($0.line)" } ?? ""
        if let rule = hop.rule { return "rule \(rule.name)\(source)" }
        return "\(hop.reason == .default ? "the default" : "reason \(hop.reason?.rawValue ?? "none")")\(source)"
    }

    fileprivate func advice(_ client: IPAddress, _ port: UInt16) -> String {
        switch cause {
        case .refused where isReply:
            "let the rule that accepts tcp/\(port) be stateful, or accept \(hop.direction.rawValue) what answers it"
        case .refused:
            "put a rule before it such as { name: admin-ssh, from: \"\(client)\", service: tcp/\(port), "
                + "action: accept }"
        case .notAdopted:
            "the port is not filtered yet, and open connections are taken over there only while \"adopt\" lasts: leave "
                + "out \"adopt: 0s\", and see that no rule denies packets of the session"
        case .otherEntry:
            "the port has another entry in the policy in force, and open connections do not move from one to the "
                + "other: keep the entry's name and what it protects"
        case .filteredAgain:
            "the port was detached, and connections opened meanwhile are not taken over: open a new session once the "
                + "policy is in force"
        }
    }
}
