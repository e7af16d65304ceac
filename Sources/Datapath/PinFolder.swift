import Glibc
import Libbpf

/// A folder of the BPF file system that holds pins.
struct PinFolder: Sendable, Hashable {
    let path: String

    static func / (folder: PinFolder, name: String) -> String { "\(folder.path)/\(name)" }

    func folder(_ name: String) -> PinFolder { PinFolder(path: self / name) }

    /// Makes the folder, readable by its owner only; one that exists is fine.
    func make() throws(DatapathError) {
        guard unsafe mkdir(path, 0o700) == 0 || errno == EEXIST else {
            throw DatapathError("cannot make \(path): \(text(errno))")
        }
    }

    /// The names in it, sorted; none where it does not exist.
    var names: [String] {
        guard let folder = unsafe opendir(path) else { return [] }
        defer { unsafe closedir(folder) }
        var result: [String] = []
        while let entry = unsafe readdir(folder) {
            let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { result.append(name) }
        }
        return result.sorted()
    }

    var exists: Bool { unsafe access(path, F_OK) == 0 }

    func holds(_ name: String) -> Bool { unsafe access(self / name, F_OK) == 0 }

    /// Removes a pin; one that is gone already is fine.
    func unpin(_ name: String) throws(DatapathError) {
        guard unsafe unlink(self / name) == 0 || errno == ENOENT else {
            throw DatapathError("cannot remove \(self / name): \(text(errno))")
        }
    }

    /// Removes the folder with all that is in it.
    func removeAll() throws(DatapathError) {
        for name in names {
            if unsafe unlink(self / name) == 0 { continue }
            guard errno == EISDIR || errno == EPERM else {
                throw DatapathError("cannot remove \(self / name): \(text(errno))")
            }
            try folder(name).removeAll()
        }
        guard unsafe rmdir(path) == 0 || errno == ENOENT else {
            throw DatapathError("cannot remove \(path): \(text(errno))")
        }
    }
}

/// An error number in words.
func text(_ number: Int32) -> String { unsafe String(cString: strerror(number)) }
