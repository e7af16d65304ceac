// SPDX-License-Identifier: Apache-2.0
import CLibvirt
import Glibc
import Policy

/// The virtual machines that libvirt runs, asked through its own library. Nothing is asked of a guest: not its agent,
/// nor what its packets say.
struct LibvirtSource: WorkloadSource {
    static let standardSockets = ["/run/libvirt/libvirt-sock-ro", "/run/libvirt/virtqemud-sock-ro"]

    /// nil: whichever of the standard ones there is.
    let socket: String?
    var pauses = Pauses()
    /// How often networks are asked what they have lent; there are no events of that.
    var leasePause = Duration.seconds(10)

    var name: String { socket.map { "libvirt:\($0)" } ?? "libvirt" }

    func follow(_ teller: WorkloadTeller) {
        pauses.follow(name, teller) { answered throws(EngineError) in try followOnce(teller, answered: answered) }
    }

    private func followOnce(_ teller: WorkloadTeller, answered: () -> Void) throws(EngineError) {
        let standard = LibvirtSource.standardSockets
        guard let path = socket ?? standard.first(where: { unsafe access($0, F_OK) == 0 }) else {
            throw EngineError("no daemon of libvirt has a socket: \(standard.joined(separator: ", "))")
        }
        try TrustedPath.check(path)
        let connection = try LibvirtConnection(socket: path)
        var domains: [DomainDescription] = []
        var lent: [String: [String: [String]]] = [:]
        var read: ContinuousClock.Instant?
        while true {
            // Before it is asked, so that what happens meanwhile is not missed.
            let events = connection.events
            if read.map({ ContinuousClock.now >= $0 + pauses.resync }) ?? true {
                read = .now
                domains = try describe(connection)
            }
            let lending = Set(domains.flatMap(\.interfaces).filter { $0.addresses == nil }.compactMap(\.network))
            for network in lending {
                // A network without DHCP lends nothing, and of one that cannot be asked now, what it lent before holds.
                if let leases = try? connection.leases(of: network) { lent[network] = leases }
            }
            tell(domains, lent, teller)
            answered()
            let time = lending.isEmpty ? pauses.resync : leasePause
            if try connection.happens(since: events, within: time) { read = nil }
        }
    }

    /// All guests, the oldest first.
    private func describe(_ connection: borrowing LibvirtConnection) throws(EngineError) -> [DomainDescription] {
        var domains: [DomainDescription] = []
        // Of one that cannot be told from others, what was said before holds, as it does of the rest.
        for xml in try connection.guests() { domains.append(try DomainDescription(xml)) }
        return domains.sorted { $0.number < $1.number }
    }

    /// - Parameter lent: By network and MAC address.
    private func tell(
        _ domains: [DomainDescription], _ lent: [String: [String: [String]]], _ teller: WorkloadTeller
    ) {
        let workloads = domains.map { domain in
            do throws(EngineError) {
                return try domain.workload(lent: lent)
            } catch {
                return domain.refused("\(error)")
            }
        }
        teller.sync(workloads, of: name)
    }
}

/// A connection to a daemon of libvirt, which can only read.
@safe struct LibvirtConnection: ~Copyable {
    private let handle: OpaquePointer

    init(socket: String) throws(EngineError) {
        guard socket.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && !"&?#%\"".utf8.contains($0) }) else {
            throw EngineError("the socket's path has characters that a URI cannot have")
        }
        var error: UnsafeMutablePointer<CChar>?
        guard let handle = unsafe bulkhead_libvirt_open("qemu+unix:///system?socket=\(socket)", &error) else {
            throw unsafe LibvirtConnection.error(error)
        }
        unsafe self.handle = handle
    }

    deinit { unsafe bulkhead_libvirt_close(handle) }

    var events: UInt64 { unsafe bulkhead_libvirt_events(handle) }

    /// Waits until something has happened to a guest. false: nothing has in this time.
    func happens(since events: UInt64, within time: Duration) throws(EngineError) -> Bool {
        let result = unsafe bulkhead_libvirt_wait(handle, events, Int32(time / .milliseconds(1)))
        guard result >= 0 else { throw EngineError("the daemon of libvirt is gone") }
        return result > 0
    }

    /// The descriptions of those that run.
    func guests() throws(EngineError) -> [String] {
        var error: UnsafeMutablePointer<CChar>?
        let texts = unsafe bulkhead_libvirt_guests(handle, WorkloadLine.mostWorkloads, &error)
        return try unsafe LibvirtConnection.taken(texts, error)
    }

    /// What a network has lent, by MAC address.
    func leases(of network: String) throws(EngineError) -> [String: [String]] {
        var error: UnsafeMutablePointer<CChar>?
        let texts = unsafe bulkhead_libvirt_leases(handle, network, &error)
        var result: [String: [String]] = [:]
        for text in try unsafe LibvirtConnection.taken(texts, error) {
            let words = text.split(separator: " ", maxSplits: 1)
            guard words.count == 2 else { continue }
            result[words[0].lowercased(), default: []].append(String(words[1]))
        }
        return result
    }

    private static func taken(
        _ texts: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, _ error: UnsafeMutablePointer<CChar>?
    ) throws(EngineError) -> [String] {
        guard let texts = unsafe texts else { throw unsafe LibvirtConnection.error(error) }
        defer { unsafe bulkhead_libvirt_free_texts(texts) }
        var result: [String] = []
        var place = 0
        while let text = unsafe texts[place] {
            unsafe result.append(String(cString: text))
            place += 1
        }
        return result
    }

    private static func error(_ text: UnsafeMutablePointer<CChar>?) -> EngineError {
        defer { unsafe free(text) }
        return EngineError(unsafe text.map { unsafe String(cString: $0) } ?? "there is no memory left")
    }
}
