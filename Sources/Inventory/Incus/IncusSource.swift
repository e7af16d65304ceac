// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Policy

/// The instances of Incus, asked through its socket, time and again: its events come over WebSocket, which is not worth
/// a client for them.
struct IncusSource: WorkloadSource {
    static let standardSocket = "/var/lib/incus/unix.socket"

    let socket: String
    var pauses = Pauses()
    var period = Duration.milliseconds(500)
    /// How often networks are asked what they have lent.
    var leasePause = Duration.seconds(10)

    var name: String { "incus:\(socket)" }

    func follow(_ teller: WorkloadTeller) {
        var rest = Pauses(first: period, longest: period)
        var lent = Lent()
        pauses.follow(name, teller) { answered throws(EngineError) in
            while true {
                try tell(teller, &lent)
                answered()
                rest.wait()
            }
        }
    }

    /// What networks have lent, and when they were asked.
    struct Lent {
        fileprivate var byNetwork: [String: [String: [String]]] = [:]
        fileprivate var asked: [String: ContinuousClock.Instant] = [:]
    }

    /// Tells of all that run.
    func tell(_ teller: WorkloadTeller, _ lent: inout Lent) throws(EngineError) {
        let all = try ask("/1.0/instances?recursion=1&all-projects=true", as: [IncusGuest].self)
        guard all.count <= WorkloadLine.mostWorkloads else { throw EngineError("there are too many instances") }
        let guests = all.filter(\.isRunning).sorted { ($0.created ?? "", $0.name) < ($1.created ?? "", $1.name) }
        for network in guests.reduce(into: Set<String>(), { $0.formUnion($1.lendingNetworks) }) {
            ask(network, &lent)
        }
        let workloads = guests.map { guest in
            do throws(EngineError) {
                return try guest.workload(lent: lent.byNetwork)
            } catch {
                return guest.refused("\(error)")
            }
        }
        teller.sync(workloads, of: name)
    }

    /// A network that lends nothing, or is not Incus's own, has no leases.
    private func ask(_ network: String, _ lent: inout Lent) {
        let now = ContinuousClock.now
        if let asked = lent.asked[network], now < asked + leasePause { return }
        lent.asked[network] = now
        let isPlain = network.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && !"/?#%&".utf8.contains($0) }
        guard isPlain, let leases = try? ask("/1.0/networks/\(network)/leases", as: [IncusGuest.Lease].self) else {
            lent.byNetwork[network] = [:]
            return
        }
        lent.byNetwork[network] = leases.reduce(into: [:]) { result, lease in
            guard let mac = lease.mac, let address = lease.address else { return }
            result[mac.lowercased(), default: []].append(address)
        }
    }

    /// What was asked for is inside an answer of one form.
    private struct Answer<Value: Decodable>: Decodable {
        var metadata: Value
    }

    private func ask<Value: Decodable>(_ target: String, as type: Value.Type) throws(EngineError) -> Value {
        let end = ContinuousClock.now + .seconds(30)
        var answer = try HTTPAnswer(to: target, at: socket)
        guard try answer.readHead(until: end) else { throw EngineError("the server does not answer in time") }
        guard answer.status == 200 else { throw EngineError("the server answers \(target) with \(answer.status)") }
        let body = try answer.all(limit: ContainerEngine.mostOfList, until: end)
        guard let value = try? JSONDecoder().decode(Answer<Value>.self, from: Data(body)) else {
            throw EngineError("the answer to \(target) is not what the documentation of Incus says")
        }
        return value.metadata
    }
}
