import CLibbpf
import Glibc
import Libbpf
import Policy

/// Network namespaces by the names that `ip netns` gives them.
public enum NetworkNamespace {
    static let folder = "/run/netns"

    /// Runs `body` with the calling thread in a network namespace (nil: where it is), and comes back. Only the network
    /// namespace changes: the BPF file system stays the host's.
    static func with<Result>(
        _ name: String?, _ body: () throws(DatapathError) -> Result
    ) throws(DatapathError) -> Result {
        guard let name else { return try body() }
        guard KernelNames.isNamespace(name) else {
            throw DatapathError(
                "'\(name)' is no name of a network namespace", advice: "'ip netns' lists those that there are")
        }
        let own = try open("/proc/thread-self/ns/net", called: "the own network namespace")
        let other = try open("\(folder)/\(name)", called: "network namespace '\(name)'")
        try enter(other, called: "network namespace '\(name)'")
        let result: Swift.Result<Result, DatapathError>
        do {
            result = .success(try body())
        } catch {
            result = .failure(error)
        }
        try enter(own, called: "the own network namespace")
        return try result.get()
    }

    /// The inode that tells a namespace apart from any other; nil where there is none of that name.
    static func inode(_ name: String?) -> UInt64? {
        if let name, !KernelNames.isNamespace(name) { return nil }
        var information = stat()
        let path = name.map { "\(folder)/\($0)" } ?? "/proc/thread-self/ns/net"
        guard unsafe stat(path, &information) == 0 else { return nil }
        return UInt64(information.st_ino)
    }

    /// The names of those that have one.
    static var names: [String] {
        guard let folder = unsafe opendir(folder) else { return [] }
        defer { unsafe closedir(folder) }
        var result: [String] = []
        while let entry = unsafe readdir(folder) {
            let name = unsafe text(of: entry.pointee.d_name)
            if KernelNames.isNamespace(name) { result.append(name) }
        }
        return result.sorted()
    }

    private static func open(_ path: String, called name: String) throws(DatapathError) -> Descriptor {
        let value = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard value >= 0 else {
            let advice = errno == ENOENT ? "'ip netns' lists those that there are" : nil
            throw DatapathError("cannot open \(name): \(text(errno))", advice: advice)
        }
        return Descriptor(owning: value)
    }

    private static func enter(_ namespace: borrowing Descriptor, called name: String) throws(DatapathError) {
        let result = bulkhead_enter_network_namespace(namespace.value)
        guard result >= 0 else {
            throw DatapathError(
                "cannot enter \(name): \(text(-result))", advice: result == -EPERM ? "run it as root" : nil)
        }
    }
}
