// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Glibc
import Host
import Libbpf

/// How long a trial lasts, on the clocks that matter to it.
struct TrialTerm {
    /// Nanoseconds of CLOCK_BOOTTIME: the end, which neither sleep nor a step of the wall clock moves.
    let until: UInt64
    /// The same moment on CLOCK_MONOTONIC, by which connections are adopted; later if the machine sleeps meanwhile.
    let deadline: UInt64

    init(_ nanoseconds: UInt64) {
        until = KernelClock.nanoseconds(CLOCK_BOOTTIME) + nanoseconds
        deadline = KernelClock.nanoseconds() + nanoseconds
    }
}

/// What the base of a trial must know to go on after it.
extension LiveImage {
    /// Has this image adopt what the trial passed without a flow, from the trial's end on.
    ///
    /// - Parameter mapping: This image's own.
    func prepare(for trial: LiveImage, endingAt deadline: UInt64, in mapping: borrowing Mapping) {
        let tried = Dictionary(trial.devices().map { ($0.id, $0) }) { first, _ in first }
        var isAsked = false
        for device in devices() {
            let place = Int(view.header.devices) + Int(device.id) * MemoryLayout<bh_device>.stride
            guard let there = tried[device.id] else {
                // Everything passes there during the trial.
                mapping.store(deadline, in: \bh_device.attached_at, at: place)
                continue
            }
            let passes = trial.passesUntracked(there.record)
            isAsked = isAsked || passes
            mapping.store(passes ? deadline : 0, in: \bh_device.untracked_at, at: place)
        }
        mapping.store(isAsked ? trial.generation : 0, in: \bh_image_header.before)
    }

    /// The trial ends now, and not at its time.
    ///
    /// - Parameter mapping: This image's own.
    func endTrialNow(in mapping: borrowing Mapping) {
        let now = KernelClock.nanoseconds()
        for device in devices() {
            let place = Int(view.header.devices) + Int(device.id) * MemoryLayout<bh_device>.stride
            if device.attachedAt > now { mapping.store(now, in: \bh_device.attached_at, at: place) }
            if device.untrackedAt > now { mapping.store(now, in: \bh_device.untracked_at, at: place) }
        }
    }
}
