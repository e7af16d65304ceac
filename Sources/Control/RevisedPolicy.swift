// SPDX-License-Identifier: Apache-2.0
import Compiler
import Datapath
import Host
import Policy

/// A policy whose file differs from the policy in force only in what rules do and are called. What its rules match is
/// taken from the image in force instead of being read and compiled again: only root can write that image, this very
/// executable compiled it, and its hash is checked.
struct RevisedPolicy {
    let source: PolicySource
    let ruleset: Ruleset
    let image: Image

    /// nil if the policy must be read and compiled as a whole, also to say what is wrong with it.
    ///
    /// - Parameter awaitsDevices: Whether devices that are missing come later.
    init?(_ path: String, _ files: RecordingFiles, _ instance: Instance, awaitsDevices: Bool = false) {
        guard let live = instance.ownImageInForce, let old = RevisableText(live.view), old.name == path,
            let text = try? files.read(path, limit: PolicyLoader.sizeLimit, from: .fileOrPipe),
            let revision = PolicyRevision(of: old.text, rulesText: old.rulesText, to: text)
        else { return nil }
        let policy = PolicyLoader(files: FrameFiles(path: path, frame: revision.frame, files: files)).read(path)
        guard var host = try? HostInventory.read(namespaces: policy.namespaces), !live.view.hasExpired(host.now) else {
            return nil
        }
        if awaitsDevices { host = instance.knowingRenamed(host) }
        host.isStarting = awaitsDevices
        let loaded = policy.resolveFrame(
            against: host, requiresDevices: true, covered: live.view.covered(revision, file: path))
        guard let loaded, let ruleset = loaded.ruleset,
            let image = Image(of: revision, from: live.view, ports: ruleset)
        else { return nil }
        self.image = image
        self.ruleset = ruleset
        source = PolicySource(path: path, loaded: loaded, host: host, files: files.kept)
    }
}

/// The text of a policy in force, if all its rules stand in one file, one on each line.
private struct RevisableText {
    let name: String
    let text: [UInt8]
    let rulesText: Range<Int>

    init?(_ view: ImageView) {
        guard let rulesText = view.rulesText, view.fileCount == 1, let file = view.fileBytes(0) else { return nil }
        self.rulesText = rulesText
        (name, text) = file
    }
}

/// The frame of a policy in place of its file, which is read all the same, because the history keeps it.
private struct FrameFiles: PolicyFiles {
    let path: String
    let frame: [UInt8]
    let files: RecordingFiles

    func read(_ path: String, limit: Int, from source: FileSource) throws(FileError) -> [UInt8] {
        let bytes = try files.read(path, limit: limit, from: source)
        return path == self.path ? frame : bytes
    }

    func names(in directory: String) throws(FileError) -> [String] { try files.names(in: directory) }
}
