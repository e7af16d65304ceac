// SPDX-License-Identifier: Apache-2.0
import Glibc
import Libbpf
import Policy

/// One installation of Bulkhead on this host: what is pinned in the folder of its name in the BPF file system. All of
/// its state is in the kernel; it has no state files.
///
/// ```
/// /sys/fs/bpf/NAME/bulkhead     the mark that the folder is Bulkhead's (see InstanceMark)
/// /sys/fs/bpf/NAME/maps/        the maps, by their names
/// /sys/fs/bpf/NAME/inner/       the maps that maps of maps hold, by their ids (see InnerMaps)
/// /sys/fs/bpf/NAME/links/       programs attached through links (see HookPin)
/// /sys/fs/bpf/NAME/filters/     programs attached as clsact filters, on kernels before 6.6
/// /sys/fs/bpf/NAME/readers/     N: folders that event readers lock; shadow: one that a shadow locks
/// /sys/fs/bpf/NAME/history/     records of generations, by their numbers (see GenerationHistory)
/// /sys/fs/bpf/NAME/texts/       the texts that records name, by their SHA-256
/// ```
public struct Instance: Sendable, Hashable {
    public static let standardName = "bulkhead"

    public let name: String
    package private(set) var folder: PinFolder
    /// The folders of its hooks' pins, if they are held open.
    private var heldLinks: PinFolder?
    private var heldFilters: PinFolder?
    /// Whether programs are attached to the tc hooks by TCX links; else as clsact filters.
    package let usesTCX: Bool
    /// The host's file that turns short waits on (see GracePeriods).
    package let waitSetting: String
    /// How much of its past it keeps.
    package var historyBounds = HistoryBounds.standard

    /// The instance of a name, whether it exists or not.
    ///
    /// - Throws: if the name is not 1 to 64 letters, digits, `_` or `-`; the BPF file system allows no dots.
    public init(_ name: String = standardName) throws(DatapathError) {
        try self.init(name, usesTCX: TCXSupport.isThere)
    }

    package init(
        _ name: String, usesTCX: Bool, waitSetting: String = GracePeriods.standardSetting
    ) throws(DatapathError) {
        self.usesTCX = usesTCX
        self.waitSetting = waitSetting
        let isName = name.utf8.allSatisfy { byte in
            (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                || [45, 95].contains(byte)
        }
        guard isName, (1...64).contains(name.utf8.count) else {
            throw DatapathError("'\(name)' is no instance name", advice: "use 1 to 64 letters, digits, '_' or '-'")
        }
        self.name = name
        folder = PinFolder.root.folder(name)
    }

    /// The same instance, with its folders found from one that is held open.
    private init(_ other: Instance, holding open: OpenFolder) {
        self = other
        folder = PinFolder(open)
    }

    /// The instance with the folders of its hooks' pins held open, for as long as many of them are looked at: otherwise
    /// each look at a pin opens and checks all folders on its way.
    func holdingHooks() throws(DatapathError) -> Instance {
        guard let links = try linkFolder.open(), let filters = try filterFolder.open() else { return self }
        var held = self
        held.heldLinks = PinFolder(links)
        held.heldFilters = PinFolder(filters)
        return held
    }

    package var mapFolder: PinFolder { folder.folder("maps") }
    package var innerFolder: PinFolder { folder.folder("inner") }
    package var linkFolder: PinFolder { heldLinks ?? folder.folder("links") }
    package var filterFolder: PinFolder { heldFilters ?? folder.folder("filters") }
    package var readerFolder: PinFolder { folder.folder("readers") }
    package var historyFolder: PinFolder { folder.folder("history") }
    package var textFolder: PinFolder { folder.folder("texts") }

    var gracePeriods: GracePeriods { GracePeriods(setting: waitSetting, folder: folder) }

    /// The instance while this process alone may change it. Its folder is held open, so renaming or replacing it leads
    /// no call elsewhere.
    package struct Locked: ~Copyable {
        package let instance: Instance
        fileprivate let lock: FileLock
    }

    /// Takes the lock that an apply and a detach hold; it ends with the process. With `make`, makes an instance that
    /// does not exist.
    ///
    /// - Throws: if another process holds the lock, the folder is another tool's, or, without `make`, does not exist.
    package func lock(make: Bool) throws(DatapathError) -> Locked {
        if make { try folder.make() }
        guard let open = try folder.open() else { throw notThere }
        guard let lock = try folder.lock(open) else {
            let holder = LockHolder(of: open.descriptor).map { " (\($0.words))" } ?? ""
            throw busy("another bulkhead is changing instance '\(name)' just now\(holder)")
        }
        // An apply that was killed right at its start leaves an empty folder.
        let isBegun = if isMarked(open) { true } else { try isEmpty(open) }
        guard isBegun else { throw anothers(open) }
        if make {
            do throws(BPFError) {
                try InstanceMark.set(in: open)
            } catch {
                throw DatapathError("cannot mark \(open.path)", error)
            }
        }
        return Locked(instance: Instance(self, holding: open), lock: lock)
    }

    /// The instance with its folder held open.
    ///
    /// - Throws: if it does not exist, or the folder of that name is not Bulkhead's.
    package func held() throws(DatapathError) -> Instance {
        guard let open = try folder.open() else { throw notThere }
        guard isMarked(open) else {
            if try isEmpty(open) { throw notThere }
            throw anothers(open)
        }
        return Instance(self, holding: open)
    }

    private func isMarked(_ open: OpenFolder) -> Bool { InstanceMark.isSet(in: open) }

    private func isEmpty(_ open: OpenFolder) throws(DatapathError) -> Bool {
        do throws(BPFError) {
            return try open.names.isEmpty
        } catch {
            throw DatapathError("cannot use \(open.path)", error)
        }
    }

    private func anothers(_ open: OpenFolder) -> DatapathError {
        DatapathError(
            "\(open.path) is not Bulkhead's: it lacks the mark '\(InstanceMark.name)', so another tool made it",
            advice: "choose another --instance; if an earlier build of bulkhead made it, take it out with that build")
    }

    /// Opens the maps of an instance with a policy in force.
    package func openMaps(_ need: Preflight.Need = .pins) throws(DatapathError) -> InstanceMaps {
        try Preflight.check(need)
        let held = try held()
        guard let maps = try InstanceMaps.open(held.mapFolder, inner: held.innerFolder) else { throw notThere }
        return maps
    }

    /// The image in force.
    package func imageInForce(_ maps: InstanceMaps) throws(DatapathError) -> LiveImage {
        if let image = try LiveImage.published(in: maps) { return image }
        guard let trial = try? maps.trial() else { throw notThere }
        throw DatapathError(
            "no policy is in force in instance '\(name)': the trial of generation \(trial.generation) has ended, and "
                + "nothing was in force before it",
            advice: "load a policy with 'bulkhead apply POLICY'")
    }

    func busy(_ message: String) -> DatapathError {
        var error = DatapathError(message, advice: "try again when it is done")
        error.isBusy = true
        return error
    }

    package var notThere: DatapathError {
        DatapathError(
            "no policy is in force in instance '\(name)'", advice: "load one with 'bulkhead apply POLICY'")
    }
}
