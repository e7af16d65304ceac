// SPDX-License-Identifier: Apache-2.0
import Glibc
import SystemPackage

/// What is wrong with a server, or with what it says. It may have words of others.
package struct EngineError: Error, CustomStringConvertible {
    package let description: String
    /// Whether it concerns one guest, and what the server says of others can be taken.
    let isOfOneGuest: Bool

    package init(_ description: String, ofOneGuest isOfOneGuest: Bool = false) {
        self.description = description
        self.isOfOneGuest = isOfOneGuest
    }
}

/// Whether somebody else than root could put another file in a file's place.
package enum TrustedPath {
    /// Checks every folder and link on the way to a file, and the file.
    package static func check(_ path: String) throws(EngineError) {
        guard path.hasPrefix("/"), !path.utf8.contains(0) else { throw EngineError("\(path) is not a whole path") }
        try checkParts(of: path)
        // What a link leads to has a way of its own.
        guard let real = unsafe realpath(path, nil) else { throw missing(path) }
        defer { unsafe free(real) }
        let resolved = unsafe String(cString: real)
        if resolved != path { try checkParts(of: resolved) }
    }

    private static func missing(_ path: String) -> EngineError {
        EngineError("\(path) cannot be looked at: \(Errno(rawValue: errno))")
    }

    private static func checkParts(of path: String) throws(EngineError) {
        var current = ""
        for part in path.split(separator: "/") {
            current += "/\(part)"
            var status = stat()
            guard unsafe lstat(current, &status) == 0 else { throw missing(current) }
            guard status.st_uid == 0 || status.st_uid == geteuid() else {
                throw EngineError("\(current) belongs to another user than root, who could stand in for the server")
            }
            // In a folder with the sticky bit nobody can replace what is another's.
            let isFolder = status.st_mode & S_IFMT == S_IFDIR
            let isShared = status.st_mode & 0o022 != 0 && status.st_mode & S_ISVTX == 0
            guard !isFolder || !isShared else {
                throw EngineError("others than root may write to \(current), and could stand in for the server")
            }
        }
    }
}
