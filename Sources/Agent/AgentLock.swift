// SPDX-License-Identifier: Apache-2.0
import Control
import Glibc
import SystemPackage

/// At most one agent follows an instance. The lock is a file's, so it ends with the process however that ends.
struct AgentLock: ~Copyable {
    /// systemd makes this folder; an agent that is started by hand makes it too.
    static let folder = "/run/bulkhead"

    private let file: FileDescriptor

    /// - Throws: ``Refusal`` if there is an agent already, or the folder cannot be used.
    init(instance: String, folder: String = AgentLock.folder) throws(Refusal) {
        file = try Self.locked("\(folder)/\(instance).agent", folder, instance)
        _ = ftruncate(file.rawValue, 0)
        _ = try? file.writeAll(toAbsoluteOffset: 0, Array("\(getpid())\n".utf8))
    }

    private static func locked(
        _ path: String, _ folder: String, _ instance: String
    ) throws(Refusal) -> FileDescriptor {
        // Users who may not look into it go through it, to the control socket.
        _ = unsafe mkdir(folder, 0o711)
        _ = unsafe chmod(folder, 0o711)
        let file: FileDescriptor
        do {
            file = try FileDescriptor.open(
                FilePath(path), .readWrite, options: [.create, .closeOnExec, .noFollow], permissions: .ownerReadWrite)
        } catch {
            throw Refusal("cannot open \(path): \(error)", advice: "run it as root")
        }
        guard flock(file.rawValue, LOCK_EX | LOCK_NB) == 0 else {
            let holder = number(in: file)
            try? file.close()
            throw Refusal(
                "an agent of instance '\(instance)' runs already\(holder.map { ", as process \($0)" } ?? "")",
                advice: "stop that one first: 'systemctl stop bulkhead-agent', or end its process")
        }
        return file
    }

    private static func number(in file: FileDescriptor) -> Int? {
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = unsafe pread(file.rawValue, &bytes, bytes.count, 0)
        guard count > 0 else { return nil }
        return Int(String(decoding: bytes.prefix(count), as: UTF8.self).prefix { $0.isNumber })
    }

    /// The file stays: another agent may have opened it just now.
    deinit { try? file.close() }
}
