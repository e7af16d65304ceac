// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Glibc
import Policy

/// Where the kernel has the host's ends of the devices in a container.
package protocol ContainerDevices: Sendable {
    /// The devices of this host whose other ends are in the network namespaces at these paths, by path.
    ///
    /// - Throws: ``EngineError`` if the kernel does not tell: that is not to be taken for none.
    func ends(inNamespaces paths: [String]) throws(EngineError) -> [String: [HostEnd]]
}

/// A device of this host whose other end is in a container.
package struct HostEnd: Sendable, Hashable {
    package var device: String
    /// The bridge that it is a member of.
    package var bridge: String?

    package init(device: String, bridge: String?) {
        self.device = device
        self.bridge = bridge
    }
}

/// The containers of Podman or Docker, asked through the engine's socket. Nothing is asked of a container: names,
/// labels, MAC and IP addresses are the engine's words, and the device is the kernel's.
struct ContainerSource: WorkloadSource {
    let engine: ContainerEngine
    let devices: any ContainerDevices
    let pauses: Pauses

    init(_ engine: ContainerEngine, devices: any ContainerDevices, pauses: Pauses = Pauses()) {
        self.engine = engine
        self.devices = devices
        self.pauses = pauses
    }

    var name: String { "\(engine.kind.rawValue):\(engine.socket)" }

    func follow(_ teller: WorkloadTeller) {
        pauses.follow(name, teller) { answered throws(EngineError) in try followOnce(teller, answered: answered) }
    }

    /// - Parameter answered: Called when the engine has told all that there is.
    func followOnce(_ teller: WorkloadTeller, answered: () -> Void = {}) throws(EngineError) {
        // Events from a second ago on: none is lost between the list and the first event, and to hear one twice is
        // no harm.
        var events = EventLines(try engine.events(since: Int(time(nil)) - 1))
        var synced = try sync(teller)
        while true {
            // Also where events come all the time.
            let found = try events.next(until: synced + pauses.resync)
            // An engine whose events cannot be read is asked again after growing pauses.
            answered()
            let news = ContainerNews(found)
            if news.isAboutAll || ContinuousClock.now >= synced + pauses.resync {
                synced = try sync(teller)
            } else {
                for id in news.gone.sorted() { teller.tell(.remove(id)) }
                for id in news.containers.sorted() { try tell(id, teller) }
            }
        }
    }

    /// Tells of all containers. Returns when it asked.
    private func sync(_ teller: WorkloadTeller) throws(EngineError) -> ContinuousClock.Instant {
        let start = ContinuousClock.now
        teller.sync(try look(at: try engine.running()), of: name)
        return start
    }

    private func tell(_ id: String, _ teller: WorkloadTeller) throws(EngineError) {
        let workloads = try look(at: [id])
        // What was right of it before is not known to be right now.
        if workloads.isEmpty { teller.tell(.remove(id)) }
        for workload in workloads { teller.tell(.add(workload)) }
        teller.warnOfRefused(workloads, of: name)
    }

    /// Those that run. One that cannot be described is refused: it is not free.
    private func look(at ids: [String]) throws(EngineError) -> [Workload] {
        var containers: [Inspected] = []
        var result: [Workload] = []
        for id in ids {
            do throws(EngineError) {
                if let container = try engine.container(id) { containers.append(container) }
            } catch {
                guard error.isOfOneGuest else { throw error }
                result.append(Workload(id: id, name: id, refusal: "\(error)"))
            }
        }
        let ends = try devices.ends(inNamespaces: containers.compactMap(\.namespacePath))
        var bridges: [String: String?] = [:]
        for container in containers {
            let own = container.namespacePath.flatMap { ends[$0] } ?? []
            var devices: [String: String] = [:]
            do throws(EngineError) {
                devices = try self.devices(of: container, own, &bridges)
                result.append(try container.workload(devices))
            } catch {
                guard error.isOfOneGuest else { throw error }
                result.append(container.refused(devices, "\(error)"))
            }
        }
        return result
    }

    // MARK: Devices

    /// By network. Where there are several, the bridge tells which is which.
    private func devices(
        of container: Inspected, _ ends: [HostEnd], _ bridges: inout [String: String?]
    ) throws(EngineError) -> [String: String] {
        let networks = container.networks
        if networks.count == 1, ends.count == 1 { return [networks[0].name: ends[0].device] }
        var result: [String: String] = [:]
        for (name, endpoint) in networks where !ends.isEmpty {
            if bridges[name] == nil { bridges[name] = .some(try engine.bridge(name, endpoint)) }
            let bridge = bridges[name] ?? nil
            let members = ends.filter { bridge != nil && $0.bridge == bridge }
            if members.count == 1 { result[name] = members[0].device }
        }
        return result
    }
}
