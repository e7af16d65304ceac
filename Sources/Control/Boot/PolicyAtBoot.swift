// SPDX-License-Identifier: Apache-2.0
import Datapath
import Policy

/// Where the policy comes from that is put in force when the host starts, in the order in which they are tried.
package enum PolicyAtBoot: Sendable, Hashable {
    /// The file that the operator wrote.
    case file(String)
    /// The last policy that was in force before, as it was kept on disk.
    case kept
    /// The operator's own policy for this case.
    case fallback
    /// Nothing passes.
    case closed

    /// The operator's own policy for when everything else is refused.
    package static let fallbackPath = "/etc/bulkhead/fallback.yaml"

    package static func candidates(_ path: String) -> [PolicyAtBoot] { [.file(path), .kept, .fallback, .closed] }

    /// As it is called in a sentence.
    package var name: String {
        switch self {
        case .file(let path): path
        case .kept: "the policy that was in force last"
        case .fallback: PolicyAtBoot.fallbackPath
        case .closed: "a policy that closes every device"
        }
    }

    /// What is remembered of the apply.
    var message: String? {
        switch self {
        case .file: "at boot"
        case .kept, .fallback, .closed: "at boot, because the policy before it was refused"
        }
    }

    /// Devices that are missing are taken when they come. nil: there is no such policy.
    func prepare(_ instance: Instance, _ kept: KeptPolicyFile) throws -> PreparedPolicy? {
        guard let source = try source(instance, kept) else { return nil }
        return try PreparedPolicy(source, proves: true)
    }

    private func source(_ instance: Instance, _ kept: KeptPolicyFile) throws -> PolicySource? {
        switch self {
        case .file(let path):
            return try PolicySource(awaitingDevices: DiskFiles(), path, for: instance)
        case .kept:
            guard let files = try kept.read() else { return nil }
            return try PolicySource(awaitingDevices: MemoryFiles(kept: files), files[0].path, for: instance)
        case .fallback:
            do throws(FileError) {
                _ = try DiskFiles().read(Self.fallbackPath, limit: PolicyLoader.sizeLimit, from: .regularFile)
            } catch {
                if error == .missing { return nil }
            }
            return try PolicySource(awaitingDevices: DiskFiles(), Self.fallbackPath, for: instance)
        case .closed:
            return try PolicySource.closed()
        }
    }
}

extension PolicySource {
    /// A policy that closes the devices that there are.
    static func closed() throws(DatapathError) -> PolicySource {
        let text = ClosedPolicy.text(try devicesOfThisHost())
        return try PolicySource(
            awaitingDevices: MemoryFiles([ClosedPolicy.name: text]), ClosedPolicy.name, for: nil)
    }
}

extension MemoryFiles {
    init(kept files: [RecordingFiles.File]) {
        self.init(Dictionary(files.map { ($0.path, $0.bytes) }) { first, _ in first })
    }
}
