// SPDX-License-Identifier: Apache-2.0
import Glibc
import Policy

/// A file with a line for each workload, written by people or programs. It is read again whenever it changes; one with
/// an error changes nothing.
package struct WorkloadFileSource: WorkloadSource {
    package let path: String

    package init(_ path: String) { self.path = path }

    package var name: String { "file:\(path)" }

    /// What the file says now; one that does not exist says that there are none.
    package func read() throws -> [Workload] {
        let text: [UInt8]
        do throws(FileError) {
            text = try DiskFiles().read(path, limit: WorkloadLine.limit, from: .regularFile)
        } catch {
            if error == .missing { return [] }
            throw error
        }
        var list = WorkloadList()
        for update in try WorkloadLine.read(text) { _ = list.take(update, from: name) }
        // A file is always as it is: what it said before is not the earlier name of anything.
        return list.workloads.map { workload in
            var workload = workload
            workload.formerNames = []
            return workload
        }
    }

    package func follow(_ teller: WorkloadTeller) {
        // Programs replace a file by another one, so its folder is watched.
        guard let watch = FolderWatch(of: path) else {
            tell(teller)
            teller.fail("changes of \(path) cannot be followed: its folder cannot be watched")
            return
        }
        repeat { tell(teller) } while watch.wait()
        teller.fail("changes of \(path) are not followed any more")
    }

    package func tell(_ teller: WorkloadTeller) {
        do {
            teller.tell(.sync(try read()))
        } catch {
            teller.fail("\(path): \(error); what it said before holds")
        }
    }
}

/// Waits for changes of one file in its folder.
struct FolderWatch: ~Copyable {
    private let descriptor: Int32
    private let file: String

    init?(of path: String) {
        let slash = path.lastIndex(of: "/")
        let folder = slash.map { String(path[..<$0]) } ?? "."
        file = slash.map { String(path[path.index(after: $0)...]) } ?? path
        descriptor = inotify_init1(Int32(IN_CLOEXEC))
        guard descriptor >= 0 else { return nil }
        let events = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB
        guard unsafe inotify_add_watch(descriptor, folder.isEmpty ? "/" : folder, UInt32(events)) >= 0 else {
            close(descriptor)
            return nil
        }
    }

    deinit { close(descriptor) }

    /// Waits until the file changed. false: nothing more can be heard of it.
    func wait() -> Bool {
        var bytes = [UInt8](repeating: 0, count: 16384)
        while true {
            let count = unsafe Glibc.read(descriptor, &bytes, bytes.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            if isMeant(bytes[..<count]) { return true }
        }
    }

    /// Whether one of the events is of the file, or events were lost.
    private func isMeant(_ bytes: ArraySlice<UInt8>) -> Bool {
        var rest = bytes
        while rest.count >= 16 {
            let words = (0..<4).map { word in
                (0..<4).reduce(UInt32(0)) { $0 | UInt32(rest[rest.startIndex + word * 4 + $1]) << (8 * UInt32($1)) }
            }
            let length = Int(words[3])
            let name = rest.dropFirst(16).prefix(length).prefix { $0 != 0 }
            if words[1] & UInt32(IN_Q_OVERFLOW) != 0 || String(decoding: name, as: UTF8.self) == file { return true }
            rest = rest.dropFirst(16 + length)
        }
        return false
    }
}
