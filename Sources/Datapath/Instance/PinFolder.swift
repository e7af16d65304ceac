// SPDX-License-Identifier: Apache-2.0
import Glibc
import Libbpf

/// A folder of the BPF file system that holds pins. Each use opens it anew, folder by folder, from the file system's
/// root or from a folder that is held open. Every folder on the way is checked: another user's is refused, and symbolic
/// links are not followed.
package struct PinFolder: Sendable {
    /// The path, for messages.
    package let path: String
    private let place: Place

    private indirect enum Place: Sendable {
        /// The file system's root.
        case root
        case below(PinFolder, String)
        case held(OpenFolder)
    }

    /// The file system's root.
    package static let root = PinFolder(path: BPFFileSystem.root, place: .root)

    private init(path: String, place: Place) {
        self.path = path
        self.place = place
    }

    /// A folder that is held open: always the same one, even if its name changes.
    package init(_ open: OpenFolder) { self.init(path: open.path, place: .held(open)) }

    package func folder(_ name: String) -> PinFolder { PinFolder(path: "\(path)/\(name)", place: .below(self, name)) }

    /// The place of a pin in it.
    package static func / (folder: PinFolder, name: String) throws(BPFError) -> Pin {
        do throws(DatapathError) {
            guard let open = try folder.open() else { throw DatapathError("\(folder.path) is not there") }
            return Pin(name, in: open)
        } catch {
            throw error.bpf ?? BPFError("open", folder.path, errno: EPERM, messages: error.message)
        }
    }

    /// Opens it; nil if it does not exist.
    ///
    /// - Throws: if it is not this user's own, or others may enter it.
    package func open() throws(DatapathError) -> OpenFolder? {
        switch place {
        case .held(let folder): return folder
        case .root: return try PinFolder.openRoot()
        case .below(let parent, let name):
            guard let parent = try parent.open() else { return nil }
            let folder = try PinFolder.naming(path) { () throws(BPFError) in try parent.folder(name) }
            if let folder, let fault = FolderCheck.fault(of: folder) { throw fault }
            return folder
        }
    }

    /// The file system's root, held open. Throws if others could replace what is pinned there.
    private static func openRoot() throws(DatapathError) -> OpenFolder {
        let folder: OpenFolder
        do throws(BPFError) {
            folder = try OpenFolder(path: BPFFileSystem.root)
        } catch {
            throw FolderCheck.fault(error, at: BPFFileSystem.root)
        }
        guard folder.status.isBPF else {
            throw DatapathError(
                "no BPF file system is mounted at \(BPFFileSystem.root)",
                advice: "mount it: \(BPFFileSystem.mountCommand)")
        }
        if let fault = FolderCheck.rootFault(folder.status) { throw fault }
        return folder
    }

    /// Makes the folder, for its owner only; one that exists is fine.
    package func make() throws(DatapathError) {
        guard case .below(let parent, let name) = place, let parent = try parent.open() else { return }
        try PinFolder.naming(path) { () throws(BPFError) in try parent.make(name) }
    }

    /// The names in it, sorted; none if it does not exist.
    package var names: [String] {
        get throws(DatapathError) {
            guard let open = try open() else { return [] }
            return try PinFolder.naming(path) { () throws(BPFError) in try open.names }
        }
    }

    package var exists: Bool { inode != nil }

    /// The inode that its name leads to now.
    private var inode: UInt64? {
        switch place {
        case .held(let folder): folder.status.inode
        case .root: nil
        case .below(let parent, let name): (try? parent.open())?.inode(of: name)
        }
    }

    package func holds(_ name: String) -> Bool { (try? open())?.holds(name) == true }

    /// Removes a pin; one that is gone already is fine.
    package func unpin(_ name: String) throws(DatapathError) {
        guard let open = try open() else { return }
        try PinFolder.naming(path) { () throws(BPFError) in try open.unpin(name) }
    }

    /// Removes the folder, which must be empty; one that is gone already is fine.
    package func remove() throws(DatapathError) {
        guard case .below(let parent, let name) = place, let parent = try parent.open() else { return }
        try PinFolder.naming(path) { () throws(BPFError) in try parent.removeFolder(name) }
    }

    /// Whether the folder that is held open still has this one's name.
    package func isStill(_ open: OpenFolder) -> Bool { inode == open.status.inode }

    /// Runs `body`. The error says if the path is a symbolic link, or not a folder.
    private static func naming<Result>(
        _ path: String, _ body: () throws(BPFError) -> Result
    ) throws(DatapathError) -> Result {
        do throws(BPFError) {
            return try body()
        } catch {
            throw FolderCheck.fault(error, at: path)
        }
    }
}

extension PinFolder: Hashable {
    package static func == (one: PinFolder, other: PinFolder) -> Bool { one.path == other.path }

    package func hash(into hasher: inout Hasher) { hasher.combine(path) }
}
