// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A process of this host, as far as it tells from where its user is logged in.
package struct HostProcess: Sendable, Hashable {
    package var id: Int32
    package var parent: Int32
    /// The name of its program, cut to 15 characters.
    package var name: String
    /// The number of the device that is its controlling terminal; 0: none.
    package var terminal: UInt64

    package init(id: Int32, parent: Int32, name: String, terminal: UInt64 = 0) {
        self.id = id
        self.parent = parent
        self.name = name
        self.terminal = terminal
    }

    /// Reads `/proc/PID/stat`; nil if the text is not of that form.
    init?(stat text: String) {
        // The name is in parentheses, and may have some of its own.
        guard let open = text.firstIndex(of: "("), let close = text.lastIndex(of: ")"), open < close,
            let id = Int32(text[..<open].filter { $0 != " " })
        else { return nil }
        let rest = text[text.index(after: close)...].split(separator: " ")
        guard rest.count > 4, let parent = Int32(rest[1]), let terminal = Int32(rest[4]) else { return nil }
        self.init(
            id: id, parent: parent, name: String(text[text.index(after: open)..<close]),
            terminal: UInt64(UInt32(bitPattern: terminal)))
    }
}

/// What a descriptor of a process is open on.
package enum ProcessFile: Sendable, Hashable {
    case socket(inode: UInt64)
    /// A character device, which may be a terminal, by its number, and by the file system and the file that it stands
    /// in: each instance of devpts counts its terminals from 0.
    case device(UInt64, fileSystem: UInt64, inode: UInt64)
}

extension ProcessFile {
    /// The number of a device; nil of a socket.
    var terminalNumber: UInt64? {
        if case .device(let number, _, _) = self { number } else { nil }
    }
}

/// The processes of this host. A plain value can take the kernel's place.
package protocol ProcessView {
    /// The controller's own.
    var own: Int32 { get }
    var all: [Int32] { get }

    /// nil: it is gone.
    func process(_ id: Int32) -> HostProcess?

    /// What its descriptors are open on, in the order of their numbers; nil: it may not be looked at.
    func files(of id: Int32) -> [ProcessFile]?

    /// The established TCP connections of its network namespace, by the inode of their socket.
    func connections(of id: Int32) -> [UInt64: TCPConnection]
}

/// The processes as /proc tells them.
package struct KernelProcesses: ProcessView {
    package init() {}

    package var own: Int32 { getpid() }

    package var all: [Int32] { ProcFile.names("/proc").compactMap { Int32($0) } }

    package func process(_ id: Int32) -> HostProcess? {
        ProcFile.text("/proc/\(id)/stat").flatMap { HostProcess(stat: $0) }
    }

    package func files(of id: Int32) -> [ProcessFile]? {
        let folder = "/proc/\(id)/fd"
        guard unsafe access(folder, R_OK | X_OK) == 0 else { return nil }
        let numbers = ProcFile.names(folder).compactMap { Int32($0) }.sorted()
        return numbers.prefix(KernelProcesses.fileLimit).compactMap { file("\(folder)/\($0)") }
    }

    /// More descriptors of one process are not looked at.
    private static let fileLimit = 4096

    /// What a descriptor is open on. Only devices are asked for their status: a file system of somebody else's may
    /// never answer.
    private func file(_ path: String) -> ProcessFile? {
        var bytes = [CChar](repeating: 0, count: 256)
        let count = unsafe readlink(path, &bytes, bytes.count)
        guard count > 0 else { return nil }
        let target = String(decoding: bytes.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        if target.hasPrefix("socket:["), let inode = UInt64(target.dropFirst("socket:[".count).dropLast()) {
            return .socket(inode: inode)
        }
        var status = stat()
        guard target.hasPrefix("/dev/"), unsafe stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFCHR else {
            return nil
        }
        return .device(
            KernelProcesses.terminalNumber(UInt64(status.st_rdev)), fileSystem: UInt64(status.st_dev),
            inode: UInt64(status.st_ino))
    }

    /// A device's number as `/proc/PID/stat` writes it.
    private static func terminalNumber(_ device: UInt64) -> UInt64 {
        let major = (device >> 8) & 0xfff
        let minor = (device & 0xff) | (device >> 12) & 0xfff00
        return minor & 0xff | major << 8 | (minor & ~0xff) << 12
    }

    package func connections(of id: Int32) -> [UInt64: TCPConnection] {
        var status = stat()
        guard unsafe stat("/proc/\(id)/ns/net", &status) == 0 else { return [:] }
        let namespace = UInt64(status.st_ino)
        var found: [UInt64: TCPConnection] = [:]
        for name in ["tcp", "tcp6"] {
            guard let text = ProcFile.text("/proc/\(id)/net/\(name)") else { continue }
            found.merge(TCPConnection.established(text, namespace)) { first, _ in first }
        }
        return found
    }
}

/// Reading below /proc.
package enum ProcFile {
    /// The whole text; nil if it cannot be read.
    package static func text(_ path: String) -> String? {
        guard let file = unsafe fopen(path, "re") else { return nil }
        defer { unsafe fclose(file) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = unsafe fread(&piece, 1, piece.count, file)
            guard count > 0 else { break }
            bytes += piece[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func names(_ path: String) -> [String] {
        guard let folder = unsafe opendir(path) else { return [] }
        defer { unsafe closedir(folder) }
        var names: [String] = []
        while let entry = unsafe readdir(folder) { unsafe names.append(Host.text(of: entry.pointee.d_name)) }
        return names
    }
}
