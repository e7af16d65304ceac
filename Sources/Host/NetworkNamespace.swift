// SPDX-License-Identifier: Apache-2.0
import CNetlink
import Glibc
import Policy
import SystemPackage

/// Network namespaces by the names that `ip netns` gives them.
package enum NetworkNamespace {
    fileprivate static let folder = "/run/netns"
    fileprivate static let ownPath = "/proc/thread-self/ns/net"

    /// Runs `body` with the calling thread in a network namespace (nil: the one where it is), then returns to its own.
    /// Only the network namespace changes: the BPF file system stays the host's.
    package static func with<Result, Failure: HostFailure>(
        _ name: String?, _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        guard let name else { return try body() }
        let visit = try Failure.of { () throws(HostError) in try Visit(to: name) }
        let result: Swift.Result<Result, Failure>
        do {
            result = .success(try body())
        } catch {
            result = .failure(error)
        }
        try Failure.of { () throws(HostError) in try visit.leave() }
        return try result.get()
    }

    /// The inode that identifies a namespace; nil if there is none of that name.
    package static func inode(_ name: String?) -> UInt64? {
        if let name, !KernelNames.isNamespace(name) { return nil }
        let path = FilePath(name.map { "\(folder)/\($0)" } ?? ownPath)
        return (try? Stat(path)).map { UInt64($0.inode.rawValue) }
    }

    /// What the calling thread's namespace calls the one that a descriptor is open on; nil: it has no id here.
    static func id(_ descriptor: FileDescriptor) -> Int32? {
        var id: Int32 = 0
        let error = unsafe bulkhead_namespace_id(descriptor.rawValue, &id)
        return error >= 0 && id != BULKHEAD_SAME_NAMESPACE ? id : nil
    }

    /// The same of the one of a name.
    static func id(of name: String) -> Int32? {
        let path = FilePath("\(folder)/\(name)")
        guard let descriptor = try? FileDescriptor.open(path, .readOnly, options: .closeOnExec) else { return nil }
        defer { try? descriptor.close() }
        return id(descriptor)
    }

    /// A descriptor of the calling thread's namespace, which the caller closes.
    static func openOwn() throws(Errno) -> FileDescriptor {
        do {
            return try FileDescriptor.open(FilePath(ownPath), .readOnly, options: .closeOnExec)
        } catch {
            throw error as? Errno ?? .ioError
        }
    }

    /// The names of all namespaces that have one, sorted.
    package static var names: [String] {
        guard let folder = unsafe opendir(folder) else { return [] }
        defer { unsafe closedir(folder) }
        var result: [String] = []
        while let entry = unsafe readdir(folder) {
            let name = unsafe text(of: entry.pointee.d_name)
            if KernelNames.isNamespace(name) { result.append(name) }
        }
        return result.sorted()
    }
}

/// The calling thread's stay in a namespace that is not its own.
private struct Visit: ~Copyable {
    private let own: OpenNamespace

    init(to name: String) throws(HostError) {
        guard KernelNames.isNamespace(name) else {
            throw HostError(
                "'\(name)' is no name of a network namespace", advice: "'ip netns' lists those that there are")
        }
        let own = try OpenNamespace(NetworkNamespace.ownPath, called: "the own network namespace")
        let other = try OpenNamespace("\(NetworkNamespace.folder)/\(name)", called: "network namespace '\(name)'")
        try other.enter()
        self.own = own
    }

    borrowing func leave() throws(HostError) { try own.enter() }
}

/// A network namespace that is held open.
private struct OpenNamespace: ~Copyable {
    private let descriptor: FileDescriptor
    /// Its name in messages.
    private let name: String

    init(_ path: String, called name: String) throws(HostError) {
        do {
            descriptor = try FileDescriptor.open(FilePath(path), .readOnly, options: .closeOnExec)
        } catch {
            let isMissing = error as? Errno == .noSuchFileOrDirectory
            throw HostError(
                "cannot open \(name): \(error)", advice: isMissing ? "'ip netns' lists those that there are" : nil)
        }
        self.name = name
    }

    /// Puts the calling thread into it.
    borrowing func enter() throws(HostError) {
        let result = bulkhead_enter_network_namespace(descriptor.rawValue)
        guard result >= 0 else {
            let error = Errno(rawValue: -result)
            throw HostError(
                "cannot enter \(name): \(error)", advice: error == .notPermitted ? "run it as root" : nil)
        }
    }

    deinit { try? descriptor.close() }
}
