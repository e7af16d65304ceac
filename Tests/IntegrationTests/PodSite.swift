// SPDX-License-Identifier: Apache-2.0
import Network
import TestSupport
import Testing

/// A node with nine pods on its bridge, `x/a` to `z/c`: each has a namespace of its own, and its device on the node
/// is called `xa` to `zc`.
final class PodSite: Sendable {
    static let pods = ["x", "y", "z"].flatMap { space in ["a", "b", "c"].map { "\(space)/\($0)" } }

    let lab: Lab
    let node: Namespace
    let bulkhead: Bulkhead
    /// The namespace of each pod.
    let spaces: [String: Namespace]
    private let sockets: [PacketSocket]
    private let macs: [MACAddress]

    static func device(_ pod: String) -> String { pod.replacing("/", with: "") }

    static func address(_ pod: String, _ family: AddressFamily) -> IPAddress {
        let number = (pods.firstIndex(of: pod) ?? 0) + 1
        return family == .v4 ? IPAddress(v4: 0xc633_6400 + UInt32(number)) : IPAddress("2001:db8:1::\(number)")!
    }

    init() throws {
        lab = try Lab()
        node = try lab.namespace("node")
        bulkhead = Bulkhead(lab, in: node)
        var spaces: [String: Namespace] = [:]
        var made: [(PacketSocket, MACAddress)] = []
        for pod in Self.pods {
            let space = try lab.namespace(Self.device(pod))
            try lab.veth((space, "eth0"), (node, Self.device(pod)))
            try lab.address(
                space, "eth0", "\(Self.address(pod, .v4))/24", "\(Self.address(pod, .v6))/64")
            spaces[pod] = space
            made.append((try PacketSocket(space, "eth0"), try space.mac(of: "eth0")))
        }
        self.spaces = spaces
        sockets = made.map(\.0)
        macs = made.map(\.1)
        try lab.bridge(node, "cni0", ports: Self.pods.map(Self.device))
        try lab.address(node, "cni0", "198.51.100.250/24", "2001:db8:1::250/64")
    }

    /// Namespaces, pods with the ports that they serve, and policies of the namespace `x`, as `kubectl get` has them.
    static func manifests(_ policies: [String]) -> String {
        let spaces = ["x", "y", "z"].map { "apiVersion: v1\nkind: Namespace\nmetadata: { name: \($0) }\n---\n" }
        let served = [80, 81].flatMap { port in
            ["TCP", "UDP", "SCTP"].map {
                "{ containerPort: \(port), name: serve-\(port)-\($0.lowercased()), protocol: \($0) }"
            }
        }
        let pods = Self.pods.map { pod in
            let addresses = AddressFamily.allCases.map { "{ ip: \"\(address(pod, $0))\" }" }.joined(separator: ", ")
            return """
                apiVersion: v1
                kind: Pod
                metadata: { name: \(pod.suffix(1)), namespace: \(pod.prefix(1)), labels: { pod: \(pod.suffix(1)) } }
                spec: { containers: [ { name: c, ports: [ \(served.joined(separator: ", ")) ] } ] }
                status: { podIPs: [ \(addresses) ] }
                ---

                """
        }
        let documents = policies.enumerated().map { number, text in
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: { name: p\(number), namespace: x }\n"
                + "spec: \(text)\n---\n"
        }
        return (spaces + pods + documents).joined()
    }

    /// Imports policies, and puts what comes of it in force. Returns the text of the policy.
    func apply(_ policies: [String]) throws -> String {
        let map = Self.pods.map { "\($0): { interface: \(Self.device($0)) }\n" }.joined()
        let result = try Shell.run([
            Bulkhead.executable, "import", "--from", "networkpolicy",
            lab.file("cluster.yaml", Self.manifests(policies)),
            "--ports", lab.file("pods.yaml", map),
        ])
        try #require(result.status == 0, "\(result.errors)")
        let policy = try lab.file("policy.yaml", result.output)
        let check = try bulkhead.run("check", policy)
        try #require(check.status == 0, "\(check.errors)\(check.output)\n\(result.output)")
        try bulkhead.apply(policy)
        return result.output
    }

    /// Sends packets, each from a port of its own, and returns the places in the list of those that arrive.
    func arriving(_ probes: [PodProbe], from first: UInt16) throws -> Set<Int> {
        for (index, probe) in probes.enumerated() {
            let (from, to) = (Self.number(probe.from), Self.number(probe.to))
            let frame = Frame(probe.datagram(from: first + UInt16(index)), from: macs[from], to: macs[to])
            try sockets[from].send(frame)
        }
        var found: Set<Int> = []
        for (number, pod) in Self.pods.enumerated() {
            while let frame = try sockets[number].receiveFrame(milliseconds: 60) {
                guard let (place, probe) = Self.probe(frame, macs[number], probes, first) else { continue }
                #expect(probe.to == pod)
                found.insert(place)
            }
        }
        return found
    }

    private static func number(_ pod: String) -> Int { pods.firstIndex(of: pod) ?? 0 }

    /// Which probe a frame is that came to its pod; nil if it is none, such as what a pod answers.
    private static func probe(
        _ frame: Frame, _ mac: MACAddress, _ probes: [PodProbe], _ first: UInt16
    ) -> (Int, PodProbe)? {
        let bytes = frame.bytes
        guard bytes.count >= 54, Array(bytes.prefix(6)) == mac.bytes, bytes[12] == 0x08 || bytes[12] == 0x86 else {
            return nil
        }
        let ports = bytes[12] == 0x08 ? 34 : 54
        guard bytes.count >= ports + 4 else { return nil }
        let source = Int(bytes[ports]) << 8 | Int(bytes[ports + 1])
        let destination = UInt16(bytes[ports + 2]) << 8 | UInt16(bytes[ports + 3])
        let place = source - Int(first)
        guard probes.indices.contains(place), probes[place].port == destination else { return nil }
        return (place, probes[place])
    }
}

/// A packet that opens a connection from pod to pod.
struct PodProbe: Sendable, Hashable, CustomStringConvertible {
    enum Kind: Sendable, CaseIterable { case tcp, udp, sctp }

    var from: String
    var to: String
    var port: UInt16
    var kind: Kind
    var family: AddressFamily

    var description: String { "\(from) > \(to) \(kind)/\(port) IPv\(family.rawValue)" }

    /// Of all pairs of pods; a pod reaches itself without the network.
    static func all(_ port: UInt16, _ kind: Kind, _ family: AddressFamily) -> [PodProbe] {
        PodSite.pods.flatMap { from in
            PodSite.pods.filter { $0 != from }.map { to in
                PodProbe(from: from, to: to, port: port, kind: kind, family: family)
            }
        }
    }

    func datagram(from source: UInt16) -> Datagram {
        let segment: Segment =
            switch kind {
            case .tcp: .tcp(source, port, payload: [])
            case .udp: .udp(source, port, payload: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17])
            // An INIT chunk.
            case .sctp: .sctp(source, port, chunks: [1, 0, 0, 20] + [UInt8](repeating: 1, count: 16))
            }
        return Datagram(PodSite.address(from, family), PodSite.address(to, family), segment)
    }
}
