// SPDX-License-Identifier: Apache-2.0
import Network
import Policy

/// Labels that must be there, and how.
struct KubeSelector: Sendable, Hashable {
    enum Expression: Sendable, Hashable {
        case isIn(String, [String])
        case isNotIn(String, [String])
        case exists(String)
        case isMissing(String)

        var key: String {
            switch self {
            case .isIn(let key, _), .isNotIn(let key, _), .exists(let key), .isMissing(let key): key
            }
        }
    }

    var expressions: [Expression] = []
    /// Whether something in it is not known here, so that nothing is taken to match it.
    var isStrange = false

    func matches(_ labels: [String: String]) -> Bool {
        !isStrange
            && expressions.allSatisfy { expression in
                switch expression {
                case .isIn(let key, let values): labels[key].map(values.contains) ?? false
                case .isNotIn(let key, let values): labels[key].map { !values.contains($0) } ?? true
                case .exists(let key): labels[key] != nil
                case .isMissing(let key): labels[key] == nil
                }
            }
    }

    /// A word for it, of its values.
    var word: String? {
        let words = expressions.compactMap { expression in
            switch expression {
            case .isIn(_, let values): values.joined(separator: "-")
            case .isNotIn(_, let values): "not-" + values.joined(separator: "-")
            case .exists(let key): key
            case .isMissing(let key): "no-" + key
            }
        }
        return words.isEmpty ? nil : words.joined(separator: "-")
    }
}

/// A pod of a cluster.
struct KubePod: Sendable {
    struct Port: Sendable {
        var name: String
        var protocolName: String
        var number: Int
    }

    var namespace: String
    var name: String
    var labels: [String: String]
    var addresses: [IPAddress] = []
    var ports: [Port] = []
    /// It has the host's own network, and no device of its own.
    var isHost = false
    var origin: Origin

    var key: String { "\(namespace)/\(name)" }
}

/// A NetworkPolicy.
struct KubePolicy: Sendable {
    enum Peer: Sendable {
        case block(Prefix, except: [Prefix])
        /// nil: the policy's own namespace; all pods.
        case pods(namespaces: KubeSelector?, pods: KubeSelector?)
    }

    struct Port: Sendable {
        var protocolName: String
        /// nil: all ports.
        var first: Int?
        var last: Int?
        var name: String?
    }

    struct Rule: Sendable {
        /// nil: everybody.
        var peers: [Peer]?
        /// nil: everything.
        var ports: [Port]?
        var origin: Origin
    }

    var namespace: String
    var name: String
    var pods: KubeSelector
    /// nil: it says nothing of that direction.
    var ingress: [Rule]?
    var egress: [Rule]?
    var origin: Origin
}

/// What the manifests of a cluster say.
struct KubeObjects: Sendable {
    var pods: [KubePod] = []
    /// The labels of the namespaces that are there.
    var namespaces: [String: [String: String]] = [:]
    var policies: [KubePolicy] = []
    var notes: [ImportedPolicy.Note] = []
}
