// SPDX-License-Identifier: Apache-2.0
import Network
import Policy

/// Makes a policy of NetworkPolicies: each pod is a port, and a pod that some policy selects is closed in that
/// direction but for what the policies accept.
struct KubePlan {
    private let objects: KubeObjects
    private let map: PortMap
    private var notes: [ImportedPolicy.Note]
    private var names = NameTable()
    private var groupNames = NameTable()
    /// The pods that have ports, and the entry of each.
    private var entries: [String: String] = [:]
    private var devices: [String: [String]] = [:]
    private var groups: [(name: String, value: YAMLValue)] = []
    private var known: [Set<String>: String] = [:]
    private var rules: [String] = []
    private let pods: [KubePod]

    static func policy(_ objects: KubeObjects, _ map: PortMap) -> ImportedPolicy {
        var plan = KubePlan(objects, map)
        plan.addPorts()
        plan.addNode()
        for policy in objects.policies { plan.add(policy) }
        let notes = plan.notes.map { note in
            ImportedPolicy.Note(
                kind: note.kind, file: OneLine.text(note.file), line: note.line,
                words: OneLine.text(note.words, most: 800))
        }
        return ImportedPolicy(text: plan.text, notes: notes)
    }

    private init(_ objects: KubeObjects, _ map: PortMap) {
        self.objects = objects
        self.map = map
        notes = objects.notes
        // A policy does not speak of pods that have the host's network.
        pods = objects.pods.filter { !$0.isHost }.sorted { $0.key < $1.key }
        for name in ["any", "host", "multicast", "broadcast"] { _ = groupNames.unique(name) }
    }

    private mutating func leaveOut(_ origin: Origin, _ words: String) {
        let note = ImportedPolicy.Note(
            kind: .leftOut, file: origin.file, line: origin.line, words: "\(origin.shown): \(words)")
        if !notes.contains(note) { notes.append(note) }
    }

    // MARK: Ports

    private func isClosed(_ pod: KubePod, _ path: KeyPath<KubePolicy, [KubePolicy.Rule]?>) -> Bool {
        objects.policies.contains { policy in
            policy[keyPath: path] != nil && policy.namespace == pod.namespace && policy.pods.matches(pod.labels)
        }
    }

    private mutating func addPorts() {
        var table = NameTable()
        for pod in pods {
            let written = map.ports[pod.key] ?? map.ports[pod.name]
            let wish = written?.name == pod.key || written == nil ? "\(pod.namespace).\(pod.name)" : written?.name ?? ""
            let entry = table.unique(RuleNames.slug(wish) ?? "pod")
            entries[pod.key] = entry
            if let interfaces = written?.interfaces, !interfaces.isEmpty {
                devices[pod.key] = interfaces
            } else {
                devices[pod.key] = ["unknown-\(entries.count)"]
                leaveOut(
                    pod.origin,
                    "its device is not known: --ports MAP can name it, as \(pod.key): { interface: veth1a2b }")
            }
        }
    }

    /// The pod's own node may always reach it.
    private mutating func addNode() {
        let closed = pods.filter { isClosed($0, \.ingress) }.compactMap { entries[$0.key] }
        let shut = pods.filter { isClosed($0, \.egress) }.compactMap { entries[$0.key] }
        if !closed.isEmpty {
            line([
                "name": .word(names.unique("from-node")), "from": .word("host"), "at": .one(of: closed),
                "direction": .word("in"), "action": .word("accept"),
                "comment": .text("what the node sends to its own pods passes whatever the policies say"),
            ])
        }
        if !shut.isEmpty {
            line([
                "name": .word(names.unique("to-node")), "to": .word("host"), "at": .one(of: shut),
                "direction": .word("out"), "action": .word("accept"),
                "comment": .text("what pods send to their own node passes whatever the policies say"),
            ])
        }
    }

    // MARK: Policies

    private mutating func add(_ policy: KubePolicy) {
        let own = pods.filter { $0.namespace == policy.namespace && policy.pods.matches($0.labels) }
        rules.append("  # \(OneLine.text(policy.origin.text))")
        if own.isEmpty {
            rules.append("  # no pod is meant by it")
            return
        }
        for (index, rule) in (policy.ingress ?? []).enumerated() {
            add(rule, policy, own, index, isIngress: true)
        }
        for (index, rule) in (policy.egress ?? []).enumerated() {
            add(rule, policy, own, index, isIngress: false)
        }
    }

    private mutating func add(
        _ rule: KubePolicy.Rule, _ policy: KubePolicy, _ own: [KubePod], _ index: Int, isIngress: Bool
    ) {
        let direction = isIngress ? "in" : "out"
        let count = (isIngress ? policy.ingress : policy.egress)?.count ?? 0
        let wish = "\(policy.namespace).\(policy.name)-\(direction)" + (count > 1 ? "-\(index + 1)" : "")
        let peers = rule.peers.map { peers in peers.map { ($0, members($0, policy, rule)) } }
        // Names of ports are those of the pods that are reached.
        for (target, service) in services(rule, isIngress ? own : peers?.flatMap { $0.1 ?? [] } ?? pods) {
            var far: YAMLValue?
            if let peers {
                let terms = peers.compactMap { peer, pods in
                    term(peer, pods, of: isIngress ? nil : target, policy)
                }
                if terms.isEmpty { continue }
                far = terms.count == 1 ? terms[0] : .list(terms)
            } else if let target, !isIngress {
                far = .word(group(target, "\(policy.namespace)-\(policy.name)-to"))
            }
            let near = group(isIngress ? target ?? own : own, "\(policy.namespace).\(policy.name)")
            let nearWord = YAMLValue.word(near)
            line([
                "name": .word(names.unique(RuleNames.slug(wish) ?? "policy")), "from": isIngress ? far : nearWord,
                "to": isIngress ? nearWord : far, "service": service,
                "at": .one(of: own.compactMap { entries[$0.key] }), "direction": .word(direction),
                "action": .word("accept"),
            ])
        }
    }

    /// The pods that a peer means; nil of an ipBlock.
    private mutating func members(_ peer: KubePolicy.Peer, _ policy: KubePolicy, _ rule: KubePolicy.Rule) -> [KubePod]?
    {
        guard case .pods(let namespaces, let selector) = peer else { return nil }
        return pods.filter { pod in
            guard selector?.matches(pod.labels) ?? true else { return false }
            guard let namespaces else { return pod.namespace == policy.namespace }
            if let labels = objects.namespaces[pod.namespace] { return namespaces.matches(labels) }
            let isNamed = namespaces.expressions.allSatisfy { $0.key == KubeReader.nameLabel }
            if !isNamed {
                leaveOut(
                    rule.origin, "the labels of the namespace \(pod.namespace) are not known; give its manifest too")
            }
            return isNamed && namespaces.matches([KubeReader.nameLabel: pod.namespace])
        }
    }

    private mutating func term(
        _ peer: KubePolicy.Peer, _ pods: [KubePod]?, of targets: [KubePod]?, _ policy: KubePolicy
    ) -> YAMLValue? {
        switch peer {
        case .block(let prefix, let except):
            // A port's name means nothing where no pod is known.
            if targets != nil { return nil }
            if except.isEmpty { return .word("\(prefix)") }
            return .map(["addresses": .word("\(prefix)"), "except": .one(of: except.map { "\($0)" })])
        case .pods(let namespaces, let selector):
            let keys = targets.map { Set($0.map(\.key)) }
            let meant = (pods ?? []).filter { keys?.contains($0.key) ?? true }
            guard meant.contains(where: { !$0.addresses.isEmpty }) else { return nil }
            let place = namespaces.map { $0.word ?? "all" } ?? policy.namespace
            return .word(group(meant, place + "-" + (selector?.word ?? "pods")))
        }
    }

    /// A group of pods, by their ports.
    private mutating func group(_ pods: [KubePod], _ wish: String) -> String {
        let members = Set(pods.map(\.key))
        if let name = known[members] { return name }
        let name = groupNames.unique(RuleNames.slug(wish) ?? "pods")
        known[members] = name
        groups.append((name, .map(["ports": .list(pods.compactMap { entries[$0.key] }.map(YAMLValue.word))])))
        return name
    }

    // MARK: Services

    /// The services of a rule, each with the pods that it is for; nil: for all.
    private func services(
        _ rule: KubePolicy.Rule, _ reached: [KubePod]
    ) -> [(pods: [KubePod]?, service: YAMLValue?)] {
        guard let ports = rule.ports else { return [(nil, nil)] }
        var result: [(pods: [KubePod]?, service: YAMLValue?)] = []
        let plain = ports.filter { $0.name == nil }.map { port in
            let name = port.protocolName.lowercased()
            guard let first = port.first, let last = port.last else { return "\(name)/*" }
            return first == last ? "\(name)/\(first)" : "\(name)/\(first)-\(last)"
        }
        if !plain.isEmpty { result.append((nil, .one(of: plain))) }
        for port in ports {
            guard let name = port.name else { continue }
            var byNumber: [Int: [KubePod]] = [:]
            for pod in reached {
                let numbers = pod.ports.filter { $0.name == name && $0.protocolName == port.protocolName }.map(\.number)
                for number in Set(numbers) { byNumber[number, default: []].append(pod) }
            }
            for (number, pods) in byNumber.sorted(by: { $0.key < $1.key }) {
                result.append((pods, .word("\(port.protocolName.lowercased())/\(number)")))
            }
        }
        return result
    }

    // MARK: Text

    private mutating func line(_ fields: KeyValuePairs<String, YAMLValue?>) {
        rules.append("  - " + YAMLValue.map(fields).text(indent: 6, from: 4))
    }

    private var text: String {
        var lines = [
            "# yaml-language-server: $schema=policy.schema.json",
            "# Made by bulkhead import --from networkpolicy, of the pods that were there. Replies pass by themselves.",
        ]
        lines += notes.map { "# \(OneLine.text($0.description, most: 800))" }
        lines += ["version: 1", "", "ports:"]
        for pod in pods {
            guard let entry = entries[pod.key], let devices = devices[pod.key] else { continue }
            let sides: [YAMLField] = [("in", isClosed(pod, \.ingress)), ("out", isClosed(pod, \.egress))].filter(\.1)
                .map { YAMLField(key: $0.0, value: .word("drop")) }
            let value = YAMLValue.map([
                "interface": .one(of: devices), "protects": .word("workload"),
                "addresses": .list(pod.addresses.map { .word("\($0)") }), "defaults": sides.isEmpty ? nil : .map(sides),
            ])
            lines.append("  \(entry): " + value.text(indent: 6, from: entry.utf8.count + 4))
        }
        if pods.isEmpty { lines[lines.count - 1] = "ports: {}" }
        if !groups.isEmpty {
            lines += ["", "groups:"]
            lines += groups.map { "  \($0.name): " + $0.value.text(indent: 6, from: $0.name.utf8.count + 4) }
        }
        lines += ["", "defaults: { in: accept, out: accept }", ""]
        lines += rules.contains { $0.hasPrefix("  - ") } ? ["rules:"] + rules : rules
        return lines.joined(separator: "\n") + "\n"
    }
}
