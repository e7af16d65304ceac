// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Policy

/// A question to a container engine and its answer: the part of Docker's HTTP API that Podman has too.
struct ContainerEngine: Sendable {
    /// Which engine it is: they differ in how a network's bridge is asked for.
    enum Kind: String, Sendable, CaseIterable {
        case podman
        case docker

        /// Where its socket is if nothing else is said.
        var standardSocket: String {
            switch self {
            case .podman: "/run/podman/podman.sock"
            case .docker: "/run/docker.sock"
            }
        }
    }

    static let mostOfList = 64 << 20
    static let mostOfContainer = 1 << 20

    let kind: Kind
    let socket: String

    // MARK: Questions

    /// The ids of the containers that run, the oldest first.
    func running() throws(EngineError) -> [String] {
        let all = try ask("/containers/json", as: [Listed].self, limit: ContainerEngine.mostOfList) ?? []
        guard all.count <= WorkloadLine.mostWorkloads else {
            throw EngineError("there are more than \(WorkloadLine.mostWorkloads) containers")
        }
        let byAge = all.sorted { ($0.created ?? 0, $0.id) < ($1.created ?? 0, $1.id) }
        return try byAge.map { container throws(EngineError) in try ContainerEngine.checked(container.id) }
    }

    /// A container that runs; nil: it does not, or there is none.
    func container(_ id: String) throws(EngineError) -> Inspected? {
        let found = try ask(
            "/containers/\(ContainerEngine.checked(id))/json", as: Inspected.self,
            limit: ContainerEngine.mostOfContainer)
        return found?.state.isRunning == true ? found : nil
    }

    /// The device of this host that a network's containers are behind; nil: there is none, or it cannot be found out.
    func bridge(_ name: String, _ network: Inspected.Endpoint) throws(EngineError) -> String? {
        switch kind {
        case .podman:
            let target = "/v4.0.0/libpod/networks/\(try ContainerEngine.checked(name))/json"
            return try ask(target, as: PodmanNetwork.self, limit: ContainerEngine.mostOfContainer)?.bridge
        case .docker:
            guard let id = network.network, !id.isEmpty else { return nil }
            let target = "/networks/\(try ContainerEngine.checked(id))"
            let found = try ask(target, as: DockerNetwork.self, limit: ContainerEngine.mostOfContainer)
            return found?.options?["com.docker.network.bridge.name"] ?? "br-\(id.prefix(12))"
        }
    }

    /// What happens to containers and networks, from a time on, in seconds since 1970.
    func events(since time: Int) throws(EngineError) -> HTTPAnswer {
        try HTTPAnswer(
            to: "/events?since=\(time)&filters=%7B%22type%22%3A%5B%22container%22%2C%22network%22%5D%7D", at: socket)
    }

    /// nil: there is no such thing.
    private func ask<Answer: Decodable>(
        _ target: String, as type: Answer.Type, limit: Int
    ) throws(EngineError) -> Answer? {
        let end = ContinuousClock.now + .seconds(30)
        var answer = try HTTPAnswer(to: target, at: socket)
        guard try answer.readHead(until: end) else { throw EngineError("the server does not answer in time") }
        if answer.status == 404 { return nil }
        guard answer.status == 200 else {
            throw EngineError("the server answers \(target) with \(answer.status)", ofOneGuest: true)
        }
        let body = try answer.all(limit: limit, until: end)
        guard let value = try? JSONDecoder().decode(type, from: Data(body)) else {
            throw EngineError(
                "the answer to \(target) is not what the engine's documentation says", ofOneGuest: true)
        }
        return value
    }

    /// An id or a name that goes into the path of a question.
    private static func checked(_ text: String) throws(EngineError) -> String {
        let isPlain = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."):
                true
            default: false
            }
        }
        guard isPlain, (1...255).contains(text.utf8.count), text.first != "." else {
            throw EngineError("the engine names something '\(text.prefix(80))', which is no name")
        }
        return text
    }
}

// MARK: Answers

private struct Listed: Decodable {
    var id: String
    /// In seconds since 1970.
    var created: Int?

    private enum CodingKeys: String, CodingKey {
        case id = "Id"
        case created = "Created"
    }
}

private struct PodmanNetwork: Decodable {
    var bridge: String?

    private enum CodingKeys: String, CodingKey { case bridge = "network_interface" }
}

private struct DockerNetwork: Decodable {
    var options: [String: String]?

    private enum CodingKeys: String, CodingKey { case options = "Options" }
}
