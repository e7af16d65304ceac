// SPDX-License-Identifier: Apache-2.0
import Network
import Policy

/// A line of `[RULES]` or of a security group.
struct ProxmoxRule: Sendable {
    enum Kind: Sendable {
        case incoming
        case outgoing
        case forward
        /// The rules of a security group stand here.
        case group
    }

    var kind: Kind
    /// `ACCEPT`, `DROP` or `REJECT`, or the group's name.
    var action: String
    var macro: String?
    var isEnabled = true
    var interface: String?
    var source: String?
    var destination: String?
    var protocolName: String?
    var sourcePorts: String?
    var destinationPorts: String?
    var messageType: String?
    var log: String?
    var comment: String?
    /// What of the line is not known here.
    var unknown: String?
    var origin: Origin

    var accepts: Bool { action == "ACCEPT" }
}

/// A section `[IPSET name]`.
struct ProxmoxSet: Sendable {
    struct Entry: Sendable {
        /// An address, a prefix, or an alias.
        var text: String
        /// It is written with a `!`, and taken out of the set.
        var isExcepted: Bool
        var origin: Origin
    }

    var entries: [Entry] = []
}

/// A file of pve-firewall: that of the cluster, of a host, or of a guest.
struct ProxmoxFile: Sendable {
    struct Option: Sendable {
        var value: String
        var origin: Origin
    }

    var name: String
    var options: [String: Option] = [:]
    /// By their names in lower case.
    var aliases: [String: Prefix] = [:]
    var sets: [String: ProxmoxSet] = [:]
    var groups: [String: [ProxmoxRule]] = [:]
    var rules: [ProxmoxRule] = []

    init(name: String) { self.name = name }

    /// Whether an option is on; `normally` where the file does not say.
    func isOn(_ option: String, normally: Bool) -> Bool {
        options[option].map { $0.value != "0" } ?? normally
    }

    /// `accept`, `drop` or `reject`.
    func policy(_ option: String, normally: String) -> String { options[option]?.value ?? normally }
}

/// A guest's configuration, as far as it is about its network.
struct ProxmoxGuest: Sendable {
    struct NIC: Sendable {
        var number: Int
        var isContainer = false
        var mac: MACAddress?
        var bridge: String?
        var isFirewalled = false
        /// Those of a container that are written down.
        var addresses: [IPAddress] = []
        /// Tagged frames that the guest may send.
        var trunks: String?
        var origin: Origin

        func device(_ guest: Int) -> String { (isContainer ? "veth" : "tap") + "\(guest)i\(number)" }
    }

    var number: Int
    var name: String?
    var nics: [NIC] = []
}

/// What the files of one node say.
struct ProxmoxObjects: Sendable {
    var cluster: ProxmoxFile?
    var host: ProxmoxFile?
    /// By the guests' numbers.
    var files: [Int: ProxmoxFile] = [:]
    var guests: [Int: ProxmoxGuest] = [:]
    /// The nodes' addresses in each of corosync's links; nil if its file is not given.
    var links: [Int: [IPAddress]]?
    var notes: [ImportedPolicy.Note] = []
}
