"""Tiny merger trees in the published layouts of GADGET-4, LHaloTree (Illustris) and consistent-trees."""

import h5py
import numpy as np

H = 0.6774
KPC_PARAMETERS = {
    "HubbleParam": H, "Hubble": 0.1, "Omega0": 0.3089, "OmegaLambda": 0.6911, "OmegaBaryon": 0.0486,
    "BoxSize": 1700.0, "UnitLength_in_cm": 3.085678e21, "UnitMass_in_g": 1.989e43,
    "UnitVelocity_in_cm_per_s": 1e5,
}  # fmt: skip
SCALE = np.array([0.08, 0.09, 0.1, 0.11, 0.12])
TREE_0, TREE_1 = 7, 2  # haloes of the two trees

# Tree 0: 0 <- 1 <- 3 <- 5 and the heavier secondary branch 2 <- 4 that merges into 0; 6 appears late.
# Main branch of 0 goes over 1 although 2 is the first of the list of progenitors and more massive.
NODES = {
    "SnapNum": [4, 3, 3, 2, 2, 1, 3, 4, 3],
    "SubhaloNr": [0, 1, 0, 0, 1, 0, 2, 1, 3],
    "GroupNr": [0, 0, 0, 0, 1, 0, 1, 1, 2],
    "TreeMainProgenitor": [1, 3, 4, 5, -1, -1, -1, 1, -1],
    "TreeFirstProgenitor": [2, 3, 4, 5, -1, -1, -1, 1, -1],
    "TreeNextProgenitor": [-1, -1, 1, -1, -1, -1, -1, -1, -1],
    "TreeDescendant": [-1, 0, 0, 1, 2, 3, -1, -1, 0],
    "TreeFirstHaloInFOFgroup": [0, 2, 2, 3, 4, 5, 6, 0, 1],
    "SubhaloMass": [1.0, 0.4, 0.5, 0.3, 0.2, 0.1, 0.05, 0.7, 0.6],
    "Group_M_Crit200": [0.9, 0.0, 0.45, 0.25, 0.15, 0.08, 0.04, 0.6, 0.5],
}


def columns():
    """Columns of all nodes, code units; places spread along the box."""
    table = {name: np.asarray(values) for name, values in NODES.items()}
    table["SubhaloPos"] = np.arange(27, dtype=np.float32).reshape(9, 3)
    return table


def write_gadget4(folder, table=None, n_files=1, trees=(TREE_0, TREE_1), parameters=None, scale=SCALE):
    """`trees.hdf5`, or `treedata/trees.N.hdf5` where haloes and trees are split at other places."""
    table = columns() if table is None else table
    n_halos = len(table["SnapNum"])
    start = np.cumsum(trees) - np.asarray(trees)
    cuts = np.linspace(0, n_halos, n_files + 1).astype(int)
    tree_cuts = np.r_[0, np.full(n_files, len(trees))]  # all trees in the first file, haloes over all
    if n_files > 1:
        folder = folder / "treedata"
        folder.mkdir()
    paths = []
    for k in range(n_files):
        paths.append(folder / ("trees.hdf5" if n_files == 1 else f"trees.{k}.hdf5"))
        mine, own_trees = slice(cuts[k], cuts[k + 1]), slice(tree_cuts[k], tree_cuts[k + 1])
        with h5py.File(paths[-1], "w") as file:
            file.create_group("Header").attrs.update(
                {
                    "NumFiles": n_files, "LastSnapShotNr": len(scale) - 1,
                    "Nhalos_ThisFile": cuts[k + 1] - cuts[k], "Nhalos_Total": n_halos,
                    "Ntrees_ThisFile": tree_cuts[k + 1] - tree_cuts[k], "Ntrees_Total": len(trees),
                }
            )  # fmt: skip
            file.create_group("Parameters").attrs.update(KPC_PARAMETERS | (parameters or {}))
            file["TreeTimes/Time"], file["TreeTimes/Redshift"] = scale, 1 / scale - 1
            file.create_group("TreeTable")
            if tree_cuts[k + 1] > tree_cuts[k]:
                file["TreeTable/Length"] = np.asarray(trees, dtype=np.int32)[own_trees]
                file["TreeTable/StartOffset"] = start[own_trees]
                file["TreeTable/TreeID"] = np.arange(len(trees))[own_trees]
            for name, values in table.items():
                file[f"TreeHalos/{name}"] = values[mine]
    return paths[0]


def write_lhalotree(folder, n_files=1, drop=()):
    """`trees_sf1_004.K.hdf5` of the same two trees; here the first progenitor is the main one."""
    table = columns()
    by_type = np.zeros((9, 6), dtype=np.float32)
    by_type[:, 1], by_type[:, 4] = 0.9 * table["SubhaloMass"], 0.1 * table["SubhaloMass"]
    names = {
        "Descendant": "TreeDescendant", "FirstHaloInFOFGroup": "TreeFirstHaloInFOFgroup", "SnapNum": "SnapNum",
        "SubhaloNumber": "SubhaloNr", "Group_M_Crit200": "Group_M_Crit200", "SubhaloPos": "SubhaloPos",
        "FirstProgenitor": "TreeMainProgenitor",
    }  # fmt: skip
    data = {new: table[old] for new, old in names.items()}
    # the host's value stands at satellites too
    data["Group_M_Crit200"] = np.where(data["Group_M_Crit200"] > 0, data["Group_M_Crit200"], 0.45)
    data |= {"SubhaloMassType": by_type, "SubhaloMassInRadType": 0.5 * by_type}
    data["SubhaloSFR"] = np.arange(9) / 10.0
    rows = [slice(0, TREE_0), slice(TREE_0, TREE_0 + TREE_1)]
    trees = [rows] if n_files == 1 else [[part] for part in rows]
    for k, mine in enumerate(trees):
        with h5py.File(folder / f"trees_sf1_004.{k}.hdf5", "w") as file:
            header = file.create_group("Header")
            header.attrs.update({"NtreesPerFile": len(mine), "FirstSnapshotNr": 0, "LastSnapshotNr": 4})
            header.attrs.update({"SnapSkipFac": 1, "ParticleMass": 1e-5})
            header.attrs["NhalosPerFile"] = sum(part.stop - part.start for part in mine)
            header["Redshifts"], header["TotNsubhalos"] = 1 / SCALE - 1, np.ones(5, dtype=int)
            header["TreeNHalos"] = [part.stop - part.start for part in mine]
            for n, part in enumerate(mine):
                for name, values in data.items():
                    if name not in drop:
                        file[f"Tree{n}/{name}"] = values[part]
    return folder / "trees_sf1_004.0.hdf5"


_CONSISTENT_TREES = """#scale(0) id(1) desc_scale(2) desc_id(3) num_prog(4) pid(5) upid(6) desc_pid(7) phantom(8) \
sam_Mvir(9) Mvir(10) Rvir(11) rs(12) vrms(13) mmp?(14) scale_of_last_MM(15) vmax(16) x(17) y(18) z(19) vx(20) \
vy(21) vz(22) Jx(23) Jy(24) Jz(25) Spin(26) Breadth_first_ID(27) Depth_first_ID(28) Tree_root_ID(29) \
Orig_halo_ID(30) Snap_num(31) {extra}
#Omega_M = 0.300000; Omega_L = 0.700000; h0 = 0.700000
#Full box size = 10.000000 Mpc/h
#Scale: Scale factor of halo.
#ID: ID of halo (unique across entire simulation).
#Mvir: Halo mass (Msun/h).
#Rvir: Halo radius (kpc/h comoving).
#X/Y/Z: Halo position (Mpc/h comoving).
#Consistent Trees Version 1.0
"""

CONSISTENT_NODES = [  # scale, id, desc_scale, desc_id, upid, mmp, Mvir, x, snapshot
    (1.0, 4, 0.0, -1, -1, 1, 1e12, 9.9, 3),
    (0.5, 2, 1.0, 4, -1, 1, 4e11, 0.1, 2),
    (0.5, 3, 1.0, 4, 2, 0, 5e11, 5.0, 2),  # heavier, but not the main progenitor (mmp? = 0)
    (0.25, 1, 0.5, 2, -1, 1, 1e11, 0.1, 1),
]


def write_consistent_trees(path, mass_200c="M200c(32)", nodes=CONSISTENT_NODES):
    """`tree_0_0_0.dat` with one tree; M_200c is 0.9 Mvir."""
    lines = [_CONSISTENT_TREES.format(extra=mass_200c), "1\n", "#tree 4\n"]
    for a, halo, later, towards, upid, mmp, mass, x, snapshot in nodes:
        row = [a, halo, later, towards, 1, upid, upid, upid, 0, mass, mass, 10, 1, 100, mmp, 0, 120, x, 5, 5]
        row += [0] * 9 + [4, halo, snapshot] + ([0.9 * mass] if mass_200c else [])
        lines.append(" ".join(str(value) for value in row) + "\n")
    path.write_text("".join(lines))
    return path
