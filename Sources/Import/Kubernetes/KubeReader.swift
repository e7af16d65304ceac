// SPDX-License-Identifier: Apache-2.0
import Network
import Policy

/// Reads manifests: NetworkPolicies, and the pods and namespaces that they speak of, as `kubectl get -o yaml` prints
/// them.
struct KubeReader {
    private(set) var objects = KubeObjects()
    private var file = ""

    static func read(_ sources: [ImportSource]) throws(ImportError) -> KubeObjects {
        var reader = KubeReader()
        for source in sources {
            reader.file = source.name
            for document in documents(source) { try reader.read(document, source.name) }
        }
        guard !reader.objects.policies.isEmpty else {
            throw ImportError("none of the files has a NetworkPolicy")
        }
        return reader.objects
    }

    /// The documents of a file, each behind as many empty lines as stand before it.
    private static func documents(_ source: ImportSource) -> [String] {
        let lines = source.text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
        var result: [String] = []
        var start = 0
        for index in 0...lines.count {
            guard index == lines.count || lines[index] == "---" || lines[index].hasPrefix("--- ") else { continue }
            let isEmpty = lines[start..<index].allSatisfy { line in
                line.allSatisfy(\.isWhitespace) || line.first == "#"
            }
            if !isEmpty {
                result.append(
                    String(repeating: "\n", count: start) + lines[start..<index].joined(separator: "\n") + "\n")
            }
            start = index + 1
        }
        return result
    }

    private mutating func read(_ text: String, _ name: String) throws(ImportError) {
        let problems = Problems()
        guard let root = YAMLReader.read(Array(text.utf8), file: name, problems)?.root, !problems.hasErrors else {
            throw ImportError(problems.sorted.first?.description ?? "\(name): not a manifest")
        }
        try read(root)
    }

    private mutating func read(_ node: Node) throws(ImportError) {
        guard let kind = node["kind"]?.scalar else {
            throw ImportError("\(node.location): expected a manifest with a \"kind\"")
        }
        switch kind {
        case "List", "NetworkPolicyList", "PodList", "NamespaceList":
            for item in node["items"]?.list ?? [] { try read(item) }
        case "Pod": objects.pods.append(pod(node))
        case "Namespace":
            let name = node["metadata"]?["name"]?.scalar ?? ""
            objects.namespaces[name] = KubeReader.labels(node).merging([KubeReader.nameLabel: name]) { $1 }
        case "NetworkPolicy" where node["apiVersion"]?.scalar?.hasPrefix("networking.k8s.io/") == true:
            objects.policies.append(policy(node))
        default:
            guard !kind.contains("Policy") || kind == "PodSecurityPolicy" else {
                throw ImportError(
                    "\(node.location): a \(kind) may drop what the NetworkPolicies accept, and cannot be imported; "
                        + "take it out of the file if it is not about the network")
            }
        }
    }

    /// The label that each namespace has.
    static let nameLabel = "kubernetes.io/metadata.name"

    private static func labels(_ node: Node) -> [String: String] {
        guard case .mapping(let entries)? = node["metadata"]?["labels"]?.content else { return [:] }
        return Dictionary(entries.map { ($0.key, $0.value.scalar ?? "") }) { first, _ in first }
    }

    private func origin(_ node: Node, _ text: String) -> Origin {
        Origin(file: file, line: node.location.line, text: text)
    }

    private mutating func leaveOut(_ node: Node, _ words: String) {
        objects.notes.append(.init(kind: .leftOut, file: file, line: node.location.line, words: words))
    }

    // MARK: Pods

    private func pod(_ node: Node) -> KubePod {
        let name = node["metadata"]?["name"]?.scalar ?? ""
        let namespace = node["metadata"]?["namespace"]?.scalar ?? "default"
        var pod = KubePod(
            namespace: namespace, name: name, labels: KubeReader.labels(node), origin: origin(node, "pod \(name)"))
        pod.isHost = node["spec"]?["hostNetwork"]?.scalar == "true"
        let status = node["status"]
        // What has ended has given its address back.
        guard !["Succeeded", "Failed"].contains(status?["phase"]?.scalar) else { return pod }
        let all = (status?["podIPs"]?.list ?? []).compactMap { $0["ip"]?.scalar } + [status?["podIP"]?.scalar ?? ""]
        for text in all {
            guard let address = IPAddress(text), !pod.addresses.contains(address) else { continue }
            pod.addresses.append(address)
        }
        for container in (node["spec"]?["containers"]?.list ?? []) + (node["spec"]?["initContainers"]?.list ?? []) {
            for port in container["ports"]?.list ?? [] {
                guard let number = port["containerPort"]?.scalar.flatMap({ Int($0) }), let name = port["name"]?.scalar
                else { continue }
                pod.ports.append(
                    .init(name: name, protocolName: port["protocol"]?.scalar ?? "TCP", number: number))
            }
        }
        return pod
    }

    // MARK: Policies

    private mutating func policy(_ node: Node) -> KubePolicy {
        let name = node["metadata"]?["name"]?.scalar ?? ""
        let namespace = node["metadata"]?["namespace"]?.scalar ?? "default"
        let text = "NetworkPolicy \(namespace)/\(name)"
        let spec = node["spec"]
        var policy = KubePolicy(
            namespace: namespace, name: name, pods: KubeSelector(), origin: origin(node, text))
        // Whom a selector means that is not known here cannot be told: it is taken to mean all.
        policy.pods = selector(spec?["podSelector"], text)
        if policy.pods.isStrange { policy.pods = KubeSelector() }
        for key in ["ingress", "egress"] {
            if let spec { _ = isList(spec, key, text) }
        }
        let types = types(spec, text)
        if types.contains("Ingress") { policy.ingress = rules(spec?["ingress"], "from", text) }
        if types.contains("Egress") { policy.egress = rules(spec?["egress"], "to", text) }
        return policy
    }

    /// The directions that a policy is about. Where none is written, the cluster takes ingress, and egress if a rule
    /// of it is written.
    private mutating func types(_ spec: Node?, _ words: String) -> Set<String> {
        let both: Set<String> = ["Ingress", "Egress"]
        guard let spec else { return ["Ingress"] }
        // What is closed cannot be told: both directions are.
        guard isList(spec, "policyTypes", words) else { return both }
        let written = spec["policyTypes"]?.list ?? []
        let types = Set(written.map { $0.scalar ?? "" })
        if let strange = types.subtracting(both).sorted().first {
            leaveOut(spec, "\(words): \"\(strange)\" is not a type of policy; both directions are closed")
            return both
        }
        if !types.isEmpty { return types }
        guard let egress = spec["egress"], !egress.isNone, !egress.isEmptyList else { return ["Ingress"] }
        return both
    }

    private mutating func rules(_ node: Node?, _ key: String, _ text: String) -> [KubePolicy.Rule] {
        (node?.list ?? []).compactMap { rule in
            let words = "\(text), \(key == "from" ? "ingress" : "egress")"
            guard !hasOthers(rule, [key, "ports"], words), isList(rule, key, words), isList(rule, "ports", words)
            else { return nil }
            var result = KubePolicy.Rule(origin: origin(rule, words))
            if let peers = rule[key]?.list, !peers.isEmpty { result.peers = peers.compactMap { peer($0, words) } }
            if let ports = rule["ports"]?.list, !ports.isEmpty { result.ports = ports.compactMap { port($0, words) } }
            return result
        }
    }

    /// Whether a key is a list, or is not there.
    private mutating func isList(_ node: Node, _ key: String, _ words: String) -> Bool {
        guard let value = node[key], !value.isNone else { return true }
        if case .sequence = value.content { return true }
        leaveOut(value, "\(words): \"\(key)\" is not a list")
        return false
    }

    /// Whether a mapping has keys that are not known here: what it means is not known then.
    private mutating func hasOthers(_ node: Node, _ keys: [String], _ words: String) -> Bool {
        guard case .mapping(let entries) = node.content else {
            leaveOut(node, "\(words): expected a mapping")
            return true
        }
        guard let other = entries.first(where: { !keys.contains($0.key) }) else { return false }
        leaveOut(node, "\(words): \"\(other.key)\" is not known")
        return true
    }

    private mutating func peer(_ node: Node, _ words: String) -> KubePolicy.Peer? {
        guard !hasOthers(node, ["ipBlock", "podSelector", "namespaceSelector"], words) else { return nil }
        let (pods, namespaces) = (node["podSelector"], node["namespaceSelector"])
        if let block = node["ipBlock"] {
            guard pods == nil, namespaces == nil, let cidr = block["cidr"]?.scalar.flatMap(KubeReader.prefix) else {
                leaveOut(node, "\(words): an ipBlock is one prefix, alone")
                return nil
            }
            guard isList(block, "except", words) else { return nil }
            let except = (block["except"]?.list ?? []).map { $0.scalar.flatMap(KubeReader.prefix) }
            guard !except.contains(nil) else {
                leaveOut(node, "\(words): an exception of an ipBlock is a prefix")
                return nil
            }
            return .block(cidr, except: except.compactMap(\.self))
        }
        guard pods != nil || namespaces != nil else {
            leaveOut(node, "\(words): a peer names nothing")
            return nil
        }
        return .pods(
            namespaces: namespaces.map { selector($0, words) }, pods: pods.map { selector($0, words) })
    }

    /// A prefix, whatever bits it has beyond its length.
    private static func prefix(_ text: String) -> Prefix? {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let address = IPAddress(String(parts[0])), let length = Int(parts[1]),
            (0...address.family.bits).contains(length)
        else { return nil }
        return Prefix(address, length: length)
    }

    private mutating func port(_ node: Node, _ words: String) -> KubePolicy.Port? {
        guard !hasOthers(node, ["protocol", "port", "endPort"], words) else { return nil }
        let name = node["protocol"]?.scalar ?? "TCP"
        guard ["TCP", "UDP", "SCTP"].contains(name) else {
            leaveOut(node, "\(words): the protocol \(name) is not known")
            return nil
        }
        var port = KubePolicy.Port(protocolName: name)
        guard let text = node["port"]?.scalar, !text.isEmpty else { return port }
        guard let first = Int(text) else {
            port.name = text
            return port
        }
        let last = node["endPort"]?.scalar.flatMap { Int($0) } ?? first
        guard (1...65535).contains(first), (first...65535).contains(last) else {
            leaveOut(node, "\(words): \(first)-\(last) are no ports")
            return nil
        }
        port.first = first
        port.last = last
        return port
    }

    private mutating func selector(_ node: Node?, _ words: String) -> KubeSelector {
        var selector = KubeSelector()
        guard let node, !node.isNone else { return selector }
        selector.isStrange = hasOthers(node, ["matchLabels", "matchExpressions"], words)
        if !isList(node, "matchExpressions", words) { selector.isStrange = true }
        if case .mapping(let entries)? = node["matchLabels"]?.content {
            selector.expressions += entries.map { .isIn($0.key, [$0.value.scalar ?? ""]) }
        }
        for item in node["matchExpressions"]?.list ?? [] {
            let values = (item["values"]?.list ?? []).compactMap(\.scalar)
            guard let key = item["key"]?.scalar else {
                leaveOut(item, "\(words): an expression without a key")
                selector.isStrange = true
                continue
            }
            switch item["operator"]?.scalar {
            case "In": selector.expressions.append(.isIn(key, values))
            case "NotIn": selector.expressions.append(.isNotIn(key, values))
            case "Exists": selector.expressions.append(.exists(key))
            case "DoesNotExist": selector.expressions.append(.isMissing(key))
            default:
                leaveOut(item, "\(words): an operator is In, NotIn, Exists or DoesNotExist")
                selector.isStrange = true
            }
        }
        return selector
    }
}

extension Node {
    fileprivate subscript(_ key: String) -> Node? {
        guard case .mapping(let entries) = content else { return nil }
        return entries.first { $0.key == key }?.value
    }

    fileprivate var scalar: String? { if case .scalar(let text, _) = content { text } else { nil } }

    /// The items of a list; none of anything else.
    fileprivate var list: [Node] { if case .sequence(let items) = content { items } else { [] } }

    fileprivate var isEmptyList: Bool { if case .sequence(let items) = content { items.isEmpty } else { false } }

    fileprivate var isNone: Bool { isNothing || ["null", "~"].contains(scalar) }
}
