// SPDX-License-Identifier: Apache-2.0
import CNetlink
import Glibc
import SystemPackage

/// A veth of the calling thread's namespace whose other end is in another one.
package struct VethEnd: Sendable, Hashable {
    package var device: String
    /// The bridge that it is a member of.
    package var bridge: String?

    /// Those whose other ends are in the namespaces at these paths, by path. What is asked is this namespace, and
    /// not the others: who rules one of them can take an end away, but cannot have it stand for another.
    ///
    /// - Throws: ``HostError`` if it cannot be told. A path that is not there has none.
    package static func all(inNamespaces paths: [String]) throws(HostError) -> [String: [VethEnd]] {
        // Where the kernel lists an end, it gives its namespace an id: so this is first.
        let links = try unsafe listed("network devices", bulkhead_read_links)
        let names = Dictionary(links.map { ($0.index, text(of: $0.name)) }) { first, _ in first }
        var ends: [Int32: [VethEnd]] = [:]
        for link in links where link.lower_namespace >= 0 && text(of: link.kind) == "veth" {
            ends[link.lower_namespace, default: []].append(
                VethEnd(device: text(of: link.name), bridge: link.master == 0 ? nil : names[link.master]))
        }
        var result: [String: [VethEnd]] = [:]
        for path in paths {
            let descriptor: FileDescriptor
            do {
                descriptor = try FileDescriptor.open(
                    FilePath(path), .readOnly, options: [.closeOnExec, .nonBlocking])
            } catch {
                if error as? Errno == .noSuchFileOrDirectory { continue }
                throw HostError("cannot open \(path): \(error)")
            }
            defer { try? descriptor.close() }
            result[path] = NetworkNamespace.id(descriptor).flatMap { ends[$0] }
        }
        return result
    }
}
