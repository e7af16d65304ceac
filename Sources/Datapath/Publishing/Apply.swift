// SPDX-License-Identifier: Apache-2.0
import Compiler
import Libbpf
import Policy

extension Instance {
    /// Puts a compiled policy into force at these ports, in one step: every packet is judged by the whole old policy or
    /// the whole new one. If it throws, or the process is killed on the way, what was in force before still is.
    ///
    /// - Parameters:
    ///   - bindings: The policy's entries bound to devices. A missing device is recorded; a later apply enforces it.
    ///   - origin: What is remembered of the policy; nil: nothing.
    ///   - generation: That which must be in force until then; 0: none may be; nil: whichever is.
    ///   - trial: After so many nanoseconds what was in force before is in force again, unless the policy is confirmed;
    ///     nil: it stays in force.
    public func apply(
        image: Image, bindings: [PortBinding], origin: PolicyOrigin? = nil, onto generation: UInt32? = nil,
        trial: UInt64? = nil
    ) throws(DatapathError) -> ApplyReport {
        let clock = ContinuousClock()
        let start = clock.now
        try Preflight.check()
        let lock = try lock(make: true)
        var report = try lock.instance.applyLocked(
            image: image, bindings: bindings, origin: origin, onto: generation, trial: trial)
        _ = consume lock
        report.loadMilliseconds = (clock.now - start) / .milliseconds(1)
        return report
    }

    /// The part of an apply that needs the lock.
    private func applyLocked(
        image: Image, bindings: [PortBinding], origin: PolicyOrigin?, onto generation: UInt32?, trial: UInt64?
    ) throws(DatapathError) -> ApplyReport {
        let folders = [
            mapFolder, innerFolder, linkFolder, filterFolder, readerFolder, historyFolder, textFolder,
        ]
        for folder in folders { try folder.make() }
        let hadFlows = mapFolder.holds("flows")
        var warnings: [String] = []
        if let maps = try InstanceMaps.open(mapFolder, inner: innerFolder) { warnings = try requireNoTrial(maps) }
        let maps = try preparePrograms()
        if let generation, try LiveImage.published(in: maps)?.generation ?? 0 != generation {
            throw busy("another policy came into force in instance '\(name)' meanwhile")
        }
        var step = try ApplyStep(
            instance: self, image: image, bindings: bindings, origin: origin, hadFlows: hadFlows, trial: trial)
        step.warnings = warnings
        return try step.run(maps)
    }

    /// Opens the instance's maps, after putting this build's programs in place if they are missing or of another build.
    private func preparePrograms() throws(DatapathError) -> InstanceMaps {
        try DatapathError.naming("cannot put the programs in place") {
            if let maps = try InstanceMaps.open(mapFolder, inner: innerFolder) {
                let loaded = try maps.state().programs
                if loaded == Programs.hash { return maps }
            }
            let maps = try InstanceMaps.make(pinnedIn: mapFolder, inner: innerFolder)
            // All are loaded before one is put in place, so if one is refused, nothing has changed.
            let settings = try maps.settings()
            // The kernel's check takes most of a first apply, and that of tc ingress as long as the other two.
            let (ingress, others) = try together(
                { () throws(BPFError) in try maps.loadPrograms([.tcIngress], settings) },
                { () throws(BPFError) in try maps.loadPrograms([.xdp, .tcEgress], settings) })
            try Stamp(maps).close()
            for loaded in others + ingress { try maps.publish(loaded.program, at: loaded.hook) }
            return maps
        }
    }
}
